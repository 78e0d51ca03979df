"""The state: on disk whole or not at all, and saved before the answer that rests on it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from iqauth_django.issuer.keys import generate
from iqauth_django.issuer.randomness import Randomness
from iqauth_django.issuer.records import State
from iqauth_django.issuer.seed import seed
from iqauth_django.issuer.state_file import StateFile
from iqauth_django.issuer.store import Store
from iqauth_django.protocol.errors import IQAuthError
from tests.issuer.app import App


def _fresh() -> State:
    return seed(Randomness(), generate(), redirect_uris=[App.REDIRECT_URI])


def test_a_state_comes_back_from_disk_as_it_went(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "new" / "issuer.json")
    state = _fresh()
    file.save(state)
    assert file.load() == state
    file.close()


def test_a_write_that_fails_leaves_the_old_state_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = StateFile(tmp_path / "issuer.json")
    store = Store(_fresh(), save=file.save)
    with store.change() as state:
        state.people["usr_owner"].name = "Kept"

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(IQAuthError, match="could not write its state file") as refused, store.change() as state:
        state.people["usr_owner"].name = "Lost"
    assert refused.value.code == "temporarily_unavailable"
    loaded = file.load()
    assert loaded is not None
    assert loaded.people["usr_owner"].name == "Kept"
    file.close()


def test_a_refusal_saves_what_it_changed(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "issuer.json")
    store = Store(_fresh(), save=file.save)

    def refuse() -> None:
        with store.change() as state:
            state.people["usr_owner"].deactivated = True
            raise IQAuthError("invalid_grant")

    with pytest.raises(IQAuthError):
        refuse()
    loaded = file.load()
    assert loaded is not None
    assert loaded.people["usr_owner"].deactivated
    file.close()
