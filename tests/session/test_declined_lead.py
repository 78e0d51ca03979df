"""A leader that came before a failure, and shares it, calls nobody. Who follows it may have come later."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from iqauth_django import conf
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret
from iqauth_django.session import leadership, refresh
from iqauth_django.testing import TestIssuer
from tests.sessions import tokens

TOKEN = "/oidc/token"


def test_who_follows_leads_at_once(site: object, issuer: TestIssuer) -> None:
    _, token = tokens(issuer)
    client, failed_at = conf.get_client(), time.time()
    early, late = (refresh._Flight(client, Secret(token), None, failed_at + later, False) for later in (-1.0, 0.1))
    conf.get_cache().put_sealed(early.key("failure"), ["network", 503, None, failed_at, "somebody else"], 10)
    posts = issuer.count("POST", TOKEN)
    assert leadership.take(early.lock, early.me, early.lasts)
    with ThreadPoolExecutor(1) as thread:
        following = thread.submit(refresh._lead_or_follow, late)
        time.sleep(0.3)
        assert not following.done()
        with pytest.raises(IQAuthError) as caught:
            refresh._lead(early, time.monotonic())
        assert caught.value.reason == "shared_failure"
        began = time.monotonic()
        assert following.result(30).refresh_token.reveal() != token
    assert time.monotonic() - began < 4, "it waited for a leader that had given up"
    assert issuer.count("POST", TOKEN) == posts + 1
