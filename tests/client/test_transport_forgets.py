"""What was being sent is in no variable of an exception that goes through the transport, whatever it is."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from iqauth_django.client import exchange
from iqauth_django.client.transport import Transport, mount, unmount
from iqauth_django.protocol.errors import IQAuthError
from iqauth_django.protocol.secret import Secret

URL = "http://issuer-that-ends.localhost/token"
SENT = {"form": {"refresh_token": Secret("canary-of-a-token")}, "basic": ("app_1", Secret("canary-of-a-key"))}
# As they stand on the wire.
CANARIES = ("canary-of-a-token", "canary-of-a-key", "YXBwXzE6Y2FuYXJ5LW9mLWEta2V5")


class _Ends(BaseAdapter):
    """What happens to a worker that is told to stop while it waits for the issuer."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self._error = error

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        body, headers = request.body, dict(request.headers)
        assert "canary-of-a-token" in str(body)
        assert headers["Authorization"] == "Basic " + CANARIES[2]
        raise self._error

    def close(self) -> None:
        pass


def shown(error: BaseException | None) -> str:
    texts: list[str] = []
    while error is not None:
        texts.append(f"{error!r} {error}")
        step = error.__traceback__
        while step is not None:
            if not step.tb_frame.f_code.co_name.startswith("test_"):
                texts += [f"{name}={value!r}" for name, value in step.tb_frame.f_locals.items()]
            step = step.tb_next
        error = error.__cause__ or error.__context__
    return "\n".join(texts)


@pytest.mark.parametrize(
    "error", [SystemExit(1), KeyboardInterrupt(), MemoryError(), requests.ConnectionError(), OSError(), ValueError()]
)
def test_nothing_is_left(error: BaseException) -> None:
    mount(URL, _Ends(error))
    try:
        with pytest.raises((type(error), IQAuthError)) as raised:
            Transport().request("POST", URL, **SENT)  # type: ignore[arg-type]
    finally:
        unmount(URL)
    text = shown(raised.value)
    assert not [canary for canary in CANARIES if canary in text], text


def test_a_header_that_cannot_be_sent_is_not_repeated() -> None:
    """requests says of a line break in a header what the header is."""
    with pytest.raises(IQAuthError) as raised:
        Transport().request("GET", URL, bearer=Secret("canary-of-a-token\n"))
    assert raised.value.is_("config_invalid")
    assert "canary" not in shown(raised.value)


def test_nothing_is_left_of_preparing(monkeypatch: pytest.MonkeyPatch) -> None:
    def out_of_memory(self: object, **kwargs: Any) -> None:
        raise MemoryError

    monkeypatch.setattr(exchange.requests.PreparedRequest, "prepare_auth", out_of_memory)
    monkeypatch.setattr(exchange.requests.PreparedRequest, "prepare_body", lambda self, *args: out_of_memory(self))
    with pytest.raises(MemoryError) as raised:
        Transport().request("POST", URL, **SENT)  # type: ignore[arg-type]
    text = shown(raised.value)
    assert not [canary for canary in CANARIES if canary in text], text
