"""Rows T1 to T5 and T22: algorithms, keys, extensions and serializations."""

from __future__ import annotations

import hmac
import json
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

from iqauth_django.protocol import base64url

from .corpus import Corpus, Make
from .token_factory import ABSENT, TokenFactory, jwk_of, rsa_key, segment, uint

CASES = Corpus()


# T1: alg none in any spelling, signature empty or kept.
for _alg in ("none", "None", "nOnE", "NONE", "", None, ABSENT, ["RS256"], {"RS256": 1}, 1, True, "rs256", "RS256 "):
    _name = "absent" if _alg is ABSENT else json.dumps(_alg)
    CASES.header("T01", f"alg {_name}, signature kept", alg=_alg)
    CASES.add(
        "T01", f"alg {_name}, signature empty", lambda f, alg=_alg: f.token({"alg": alg}).rpartition(".")[0] + "."
    )


# T2: HMAC keyed with our public key, in every form it is published or stored in.
def _public_key_as(form: str, f: TokenFactory) -> bytes:
    public = f.key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    pkcs1 = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    n = public.public_numbers().n
    jwk = jwk_of(f.key, f.kid)
    return {
        "PEM": pem,
        "PEM stripped": pem.strip(),
        "PEM, PKCS1": pkcs1,
        "DER": der,
        "raw n": n.to_bytes(256),
        "n as text": uint(n).encode(),
        "JWK JSON": json.dumps(jwk).encode(),
        "JWK JSON, compact": json.dumps(jwk, separators=(",", ":")).encode(),
        "nothing": b"",
    }[form]


def _hmac(form: str, bits: int) -> Make:
    def make(f: TokenFactory) -> str:
        signing_input = f"{segment(json.dumps(f.header(alg=f'HS{bits}')))}.{segment(json.dumps(f.claims()))}"
        mac = hmac.digest(_public_key_as(form, f), signing_input.encode(), f"sha{bits}")
        return f"{signing_input}.{base64url.encode(mac)}"

    return make


for _form in (
    "PEM",
    "PEM stripped",
    "PEM, PKCS1",
    "DER",
    "raw n",
    "n as text",
    "JWK JSON",
    "JWK JSON, compact",
    "nothing",
):
    CASES.add("T02", f"HS256 keyed with {_form}", _hmac(_form, 256))
CASES.add("T02", "HS512 keyed with PEM", _hmac("PEM", 512))


# T3: other algorithms, with the right key where there is one.
def _signed_otherwise(alg: str, sign: Callable[[TokenFactory, bytes], bytes]) -> Make:
    def make(f: TokenFactory) -> str:
        signing_input = f"{segment(json.dumps(f.header(alg=alg)))}.{segment(json.dumps(f.claims()))}"
        return f"{signing_input}.{base64url.encode(sign(f, signing_input.encode()))}"

    return make


def _pkcs1(algorithm: hashes.HashAlgorithm) -> Callable[[TokenFactory, bytes], bytes]:
    return lambda f, data: f.key.sign(data, padding.PKCS1v15(), algorithm)


def _pss(f: TokenFactory, data: bytes) -> bytes:
    return f.key.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def _es256(f: TokenFactory, data: bytes) -> bytes:
    return ec.generate_private_key(ec.SECP256R1()).sign(data, ec.ECDSA(hashes.SHA256()))


CASES.header("T03", "RS256 called RS512", alg="RS512")
CASES.add("T03", "RS384", _signed_otherwise("RS384", _pkcs1(hashes.SHA384())))
CASES.add("T03", "RS512", _signed_otherwise("RS512", _pkcs1(hashes.SHA512())))
CASES.add("T03", "PS256", _signed_otherwise("PS256", _pss))
CASES.add("T03", "PSS called RS256", _signed_otherwise("RS256", _pss))
CASES.add("T03", "ES256", _signed_otherwise("ES256", _es256))
CASES.add("T03", "RS256 over SHA-1", _signed_otherwise("RS256", _pkcs1(hashes.SHA1())))
CASES.add("T03", "RS256 over SHA-512", _signed_otherwise("RS256", _pkcs1(hashes.SHA512())))


# T4: the attacker's own key, brought along or to be fetched.
def _with_own_key(**members: Callable[[TokenFactory], Any]) -> Make:
    def make(f: TokenFactory) -> str:
        attacker = TokenFactory(rsa_key("attacker"), kid=f.kid, issuer=f.issuer, audience=f.audience, now=f.now)
        return attacker.token({name: value(f) for name, value in members.items()})

    return make


_attackers_jwk: Callable[[TokenFactory], Any] = lambda f: jwk_of(rsa_key("attacker"), f.kid)  # noqa: E731
CASES.add("T04", "attacker's key, nothing else", _with_own_key())
CASES.add("T04", "jwk", _with_own_key(jwk=_attackers_jwk))
CASES.add("T04", "jwk, another kid", _with_own_key(jwk=_attackers_jwk, kid=lambda f: "attacker"))
CASES.add("T04", "jwk, no kid", _with_own_key(jwk=_attackers_jwk, kid=lambda f: ABSENT))
CASES.add("T04", "jku", _with_own_key(jku=lambda f: f"{f.listener}/jwks.json"))
CASES.add("T04", "jku on the issuer", _with_own_key(jku=lambda f: f"{f.issuer}/../jwks.json"))
CASES.add("T04", "x5u", _with_own_key(x5u=lambda f: f"{f.listener}/cert.pem"))
CASES.add("T04", "x5c", _with_own_key(x5c=lambda f: ["MIIB"]))
CASES.header("T04", "jwk null beside a right signature", jwk=None)
CASES.add("T04", "jku beside a right signature", lambda f: f.token({"jku": f"{f.listener}/jwks.json"}))


# T5: extensions that must be understood.
for _crit in ([], ["exp"], ["b64"], "exp", "", None, {}, [1], ["http://example.invalid/x"]):
    CASES.header("T05", f"crit {json.dumps(_crit)}", crit=_crit)
CASES.header("T05", "b64 false, crit b64", b64=False, crit=["b64"])
CASES.header("T05", "b64 false", b64=False)
CASES.header("T05", "b64 true", b64=True)


# T22: other serializations.
def _json_serialization(flat: bool) -> Make:
    def make(f: TokenFactory) -> str:
        protected, payload, signature = f.token().split(".")
        parts = {"protected": protected, "signature": signature}
        return json.dumps({"payload": payload} | (parts if flat else {"signatures": [parts]}))

    return make


CASES.add(
    "T22", "five parts", lambda f: ".".join([segment(json.dumps({"alg": "RSA-OAEP", "enc": "A256GCM"})), *["AAAA"] * 4])
)
CASES.add("T22", "five parts that begin with a good token", lambda f: f.token() + ".AAAA.AAAA")
CASES.add("T22", "JSON, general", _json_serialization(flat=False))
CASES.add("T22", "JSON, flattened", _json_serialization(flat=True))
CASES.header("T22", "enc beside a right signature", enc="A256GCM")
