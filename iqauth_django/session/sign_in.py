"""The sign-in: away to the issuer, and back.

``begin`` remembers the flow in the browser and says where to send it. ``complete`` checks the answer in this order, and
stops at the first thing that is wrong: the flow is this browser's and open; state and iss; the issuer's error; the
flow was not spent before; the code is redeemed; the ID token; the access token; both are of one person. Whatever
the outcome, the flow's cookie goes. A refresh token that came with tokens we refuse is given back to the issuer.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from iqauth_django import conf
from iqauth_django.client.iqauth import IQAuth
from iqauth_django.protocol import oidc
from iqauth_django.protocol.claims import Auth, auth_from_claims
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret
from iqauth_django.protocol.token_answer import TokenSet
from iqauth_django.shared.sealing import seal, unseal

from . import access_token
from .authenticate import cookie_header
from .cookies import Attributes, check_size, flow_attributes
from .flows import HOST_ONLY, SECONDS, Flow, FlowJar, cookie_name, new_flow, read_flows
from .refresh import retire
from .request_session import RequestSession

logger = logging.getLogger("iqauth_django.session")

# What an issuer answers to prompt=none when it would have to ask something (OpenID Connect Core 3.1.2.6).
_SILENCE = frozenset({"login_required", "interaction_required", "consent_required", "account_selection_required"})
_CLOCK_REASONS = frozenset({"iat_in_future", "nbf_in_future"})


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A completed sign-in, whose ``tokens`` its cookies will hold. ``auth`` is None when a silent one found nobody."""

    auth: Auth | None
    tokens: TokenSet | None
    return_to: str


def begin(
    session: RequestSession,
    client: IQAuth,
    *,
    return_to: str,
    redirect_uri: str,
    hints: Mapping[str, str],
    silent: bool,
) -> str:
    """Begin a flow: plan its cookie and return the issuer's URL to send the browser to."""
    endpoint = client.endpoints().authorization_endpoint
    now = client.now()
    if client.options.prompt is not None:
        hints = {"prompt": client.options.prompt, **hints}
    flow = new_flow(return_to=return_to, redirect_uri=redirect_uri, silent=silent, now=now)
    jar = _jar(session, client, room_for=1)
    _clear(session, client, jar.stale_names)
    attributes = flow_attributes(client.options, session.request)
    session.cookies.set(_prefix(attributes) + flow.cookie_name, flow.keep(), SECONDS, attributes)
    return oidc.build_authorization_url(
        endpoint,
        client_id=client.options.client_id,
        redirect_uri=redirect_uri,
        scope=client.options.scopes,
        state=flow.state,
        nonce=flow.nonce,
        verifier=flow.verifier,
        hints={**hints, "prompt": "none"} if silent else hints,
    )


def complete(session: RequestSession, client: IQAuth, pairs: Sequence[tuple[str, Secret]], default: str) -> SignedIn:
    """Check the issuer's answer and redeem its code. Raises IQAuthError; the session that was there stays untouched.

    ``pairs`` are the answer's parameters as they came, repeated ones included; ``default`` is where a sign-in ends
    whose return_to was lost.
    """
    jar = _jar(session, client)
    _clear(session, client, jar.stale_names)
    # Before anything may be wrong: whichever flow this answer names, it is over.
    named = {flow.cookie_name for name, value in pairs if name == "state" and (flow := jar.find(value.reveal()))}
    _clear(session, client, named)
    parameters = oidc.callback_parameters((name, value.reveal()) for name, value in pairs)
    state = parameters.get("state", "")
    flow = jar.find(state)
    if flow is None:
        return _already_done(session, state, jar)
    endpoints = client.endpoints()
    try:
        answer = oidc.parse_callback(
            parameters, state=flow.state, issuer=client.options.issuer, iss_promised=endpoints.iss_parameter_supported
        )
    except IQAuthError as error:
        if flow.silent and error.code in _SILENCE:
            return SignedIn(None, None, flow.way_back(default))
        raise
    return_to = flow.way_back(default)
    if not conf.get_cache().add(_spent(state), seal(["", return_to], _spent(state)), SECONDS, here_too=True):
        return _already_done(session, state, jar)
    tokens = _redeem(client, answer.code, flow)
    auth, content = _identify(client, tokens, flow)
    conf.get_cache().put(_spent(state), seal([auth.sub, return_to], _spent(state)), SECONDS, here_too=True)
    return SignedIn(auth, replace(tokens, access_token=content), return_to)


def adopt(session: RequestSession, client: IQAuth, signed_in: SignedIn) -> None:
    """Put a completed sign-in into the browser; the session that it replaces is ended upstream."""
    if signed_in.auth is None or signed_in.tokens is None:
        return
    replaced = session.credentials.refresh_token
    tokens = signed_in.tokens
    session.sign_in(signed_in.auth, tokens.access_token, tokens.refresh_token)
    if replaced is not None and replaced != tokens.refresh_token:
        retire(client, replaced)


def forget_all(session: RequestSession, client: IQAuth) -> None:
    """Clear every flow that this browser has begun."""
    jar = _jar(session, client)
    _clear(session, client, jar.stale_names | {flow.cookie_name for flow in jar.flows})


def give_back(client: IQAuth, tokens: TokenSet | None) -> None:
    """End tokens that nobody will hold."""
    if tokens is not None and tokens.refresh_token is not None:
        client.revoke(tokens.refresh_token)


def _redeem(client: IQAuth, code: Secret, flow: Flow) -> TokenSet:
    try:
        return client.exchange_code(code, redirect_uri=flow.redirect_uri, verifier=Secret(flow.verifier))
    except IQAuthError as error:
        if error.is_("INVALID_GRANT"):
            raise IQAuthError("code_rejected", reason="invalid_grant") from error
        raise


def _identify(client: IQAuth, tokens: TokenSet, flow: Flow) -> tuple[Auth, Secret]:
    """Who signed in, by both tokens, and what goes into the access cookie; gives refused tokens back."""
    try:
        identity = client.verify_id_token(tokens, nonce=flow.nonce)
        content = access_token.of_sign_in(client, tokens, identity)
        claims = access_token.verify_new(client, content.reveal())
        if claims["sub"] != identity["sub"]:
            raise IQAuthError("id_token_invalid", reason="subjects_differ")
        check_size(content, tokens.refresh_token)
    except IQAuthError as error:
        give_back(client, tokens)
        if error.is_("token_expired") or error.reason in _CLOCK_REASONS:  # a moment after they were made
            raise IQAuthError("clock_wrong", reason=error.reason) from error
        if error.category in ("token_invalid", "token_expired") and not error.is_("token_response_invalid"):
            raise IQAuthError("id_token_invalid", reason=error.reason) from error
        raise
    return auth_from_claims(claims, "cookie", client.options.claims_map), content


def _already_done(session: RequestSession, state: str, jar: FlowJar) -> SignedIn:
    """An answer without an open flow: a reload of one that was completed, or not this browser's."""
    spent = conf.get_cache().get(_spent(state))
    if spent is not None:
        done = unseal(spent, _spent(state)) if isinstance(spent, str) else None
        if session.auth is not None and isinstance(done, list) and done[0] == session.auth.sub:
            return SignedIn(None, None, done[1])
        raise IQAuthError("flow_used")
    if not state:
        raise IQAuthError("state_invalid", reason="state_missing")
    raise IQAuthError("flow_expired" if jar.knows(state) else "flow_missing")


def _spent(state: str) -> str:
    return conf.get_cache().key("spent", cookie_name(state))


def _jar(session: RequestSession, client: IQAuth, *, room_for: int = 0) -> FlowJar:
    host_only = flow_attributes(client.options, session.request)["secure"]
    return read_flows(cookie_header(session.request), client.now(), host_only=host_only, room_for=room_for)


def _clear(session: RequestSession, client: IQAuth, names: Iterable[str]) -> None:
    attributes = flow_attributes(client.options, session.request)
    for name in names:
        session.cookies.clear(_prefix(attributes) + name, attributes)


def _prefix(attributes: Attributes) -> str:
    return HOST_ONLY if attributes["secure"] else ""
