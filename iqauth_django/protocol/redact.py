"""Takes tokens, codes, keys and cookies out of a text before it is logged."""

from __future__ import annotations

import re

_MASK = "[redacted]"
# Parameters of OAuth requests and answers: in a query (also one that is encoded into another), a form, JSON (also JSON
# in a JSON text), or the repr of a dict, a QueryDict, a list of pairs, bytes. A quoted value ends at its quote.
_PARAMETER = re.compile(
    r"""(?isx)
    ( (?: \b | (?<=3f) | (?<=26) )
      (?: code | state | nonce | code_verifier | client_secret | refresh_token | access_token | id_token
        | id_token_hint | logout_token | password | token )
      (?: \s*(?: = | : | %(?:25)*3d )\s* | \\*["']\s*[:,=]\s* )
      (?: [\[(]* b? (\\*["']) )? )
    (?(2) (?: (?!\2). )* | [^\s&;,"'}]+ )
    """
)
_RULES = (
    # A JWT, whole or cut, wherever it stands.
    (re.compile(r"eyJ[\w-]+(?:\.[\w-]*)*"), _MASK),
    (re.compile(r"\b(sk_(?:live|test)_)[\w~.+/=-]+"), rf"\1{_MASK}"),
    (re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[\w~.+/=%-]+"), rf"\1\2{_MASK}"),
    (_PARAMETER, rf"\1{_MASK}"),
    (re.compile(r"(?i)((?:__Host-|__Secure-)?iqauth_\w+(?:\.\d)?=)[^\s;,\"']+"), rf"\1{_MASK}"),
)


def redact(text: str) -> str:
    """``text`` with every credential in it replaced by ``[redacted]``."""
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return text
