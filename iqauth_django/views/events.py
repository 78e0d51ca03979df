"""What the issuer tells this site: that a session has ended (OpenID Connect Back-Channel Logout 1.0).

Anybody can post here, so a refusal is cheap: size and shape first, then the signature, and an unknown key makes the
issuer's keys be fetched at most once per JWKS_COOLDOWN. No answer is stored or repeats anything of the request. They
are (section 2.8):

* 200 when the sessions are ended, in every process within REVOCATION_POLL;
* 400 when the request or its token is not valid, or was seen before;
* 503 with Retry-After when it cannot be judged or kept now: the issuer's keys cannot be had, or the shared cache is
  down, so that other processes would not hear of it. Nothing of the token is remembered then, and the issuer may come
  again with the same one.
"""

from __future__ import annotations

import logging
from urllib.parse import parse_qsl

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_POST

from iqauth_django import conf, revocation
from iqauth_django.client.counters import count
from iqauth_django.protocol.compact import MAX_TOKEN, refused
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.logout_token import MAX_AGE

logger = logging.getLogger("iqauth_django.session")

_MAX_BODY = MAX_TOKEN + 4_096
_MAX_FIELDS = 20
_MARGIN = 60.0
_RETRY_SECONDS = 5


@csrf_exempt
@login_not_required
@cache_control(no_store=True)
@require_POST
@sensitive_post_parameters()
def backchannel_logout(request: HttpRequest) -> HttpResponse:
    """The issuer's word that a session, or all of somebody's, have ended. Body: logout_token, form-encoded."""
    try:
        _end_what_it_names(request)
    except IQAuthError as error:
        return _refusal(error)
    count("backchannel_logout", "ok")
    return HttpResponse(status=200)


@sensitive_variables("token")
def _end_what_it_names(request: HttpRequest) -> None:
    client, cache = conf.get_client(), conf.get_cache()
    token = client.verify_logout_token(_token_in(request))
    seen = cache.key("logout_token", token.jti)
    if cache.get(seen) is not None:
        raise refused("replay")
    if not revocation.record(subject=token.sub, session_id=token.sid, issued_until=token.iat):
        raise IQAuthError("storage_unavailable", reason="cache")
    # Only now: whatever went wrong before this, the issuer's next try with the same token is a first one.
    seconds = MAX_AGE + 2 * client.options.clock_tolerance + _MARGIN
    if not cache.add(seen, 1, seconds, here_too=True):
        raise refused("replay")
    what = "one session" if token.sid is not None else "all sessions of somebody"
    logger.info("session_revoked: the issuer ended %s (back-channel logout).", what)
    revocation.announce(subject=token.sub, session_id=token.sid, reason="backchannel_logout")


@sensitive_variables()
def _token_in(request: HttpRequest) -> str:
    """The one ``logout_token`` of the form; other fields are ignored (Back-Channel Logout 1.0 section 2.5)."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise refused("content_type")
    try:
        body = request.read(_MAX_BODY + 1)
    except UnreadablePostError:
        raise refused("body") from None
    if len(body) > _MAX_BODY:
        raise refused("size")
    try:
        fields = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise refused("form") from None
    tokens = [value for name, value in fields if name == "logout_token"]
    if len(tokens) != 1:
        raise refused("logout_token")
    return tokens[0]


def _refusal(error: IQAuthError) -> HttpResponse:
    if error.category in ("token_invalid", "token_expired"):
        count("backchannel_logout", error.reason)
        logger.warning("logout_token_refused: %s.", error.reason)
        body = {"error": "invalid_request", "error_description": "The logout token was not accepted."}
        return JsonResponse(body, status=400)
    count("backchannel_logout", error.code.lower())
    logger.warning("logout_token_unanswered: %s (%s); the issuer is asked to come again.", error.code, error.reason)
    body = {"error": "temporarily_unavailable", "error_description": "Try again with the same logout token."}
    response = JsonResponse(body, status=503)
    response["Retry-After"] = str(error.retry_after or _RETRY_SECONDS)
    return response
