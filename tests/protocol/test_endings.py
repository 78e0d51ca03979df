"""Which tokens an ended session takes with it."""

from __future__ import annotations

from typing import Any

import pytest

from iqauth_django.protocol import endings
from iqauth_django.protocol.endings import Endings, Entry, read_entries

NOW = 1_800_000_000.0


def claims(**changes: Any) -> dict[str, Any]:
    return {"sub": "usr_a", "sid": "ses_1", "jti": "jti_1", "iat": NOW, "exp": NOW + 900, **changes}


def ended(*entries: Entry) -> Endings:
    found = Endings()
    for entry in entries:
        found.add(entry)
    return found


def test_nothing_has_ended() -> None:
    assert not Endings().refuse(claims(), "t")


@pytest.mark.parametrize(
    ("issued_at", "refused"), [(NOW - 1, True), (NOW, True), (NOW + 1, False), (None, True), ("soon", True)]
)
@pytest.mark.parametrize("entry", [endings.session("ses_1", NOW, NOW + 9), endings.subject("usr_a", NOW, NOW + 9)])
def test_by_when_the_token_was_issued(entry: Entry, issued_at: Any, refused: bool) -> None:
    assert ended(entry).refuse(claims(iat=issued_at), "t") is refused


@pytest.mark.parametrize("changes", [{"sid": "ses_2"}, {"sid": None}, {"sid": ["ses_1"]}])
def test_another_session_goes_on(changes: dict[str, Any]) -> None:
    assert not ended(endings.session("ses_1", NOW, NOW + 9)).refuse(claims(**changes), "t")


def test_a_session_is_not_a_person_of_the_same_name() -> None:
    assert not ended(endings.subject("ses_1", NOW, NOW + 9)).refuse(claims(), "t")


def test_a_persons_tokens_that_name_no_session() -> None:
    found = ended(endings.subject_without_session("usr_a", NOW, NOW + 9))
    assert found.refuse(claims(sid=None), "t")
    assert not found.refuse(claims(sid=None, sub="usr_b"), "t")
    assert not found.refuse(claims(sid="ses_2"), "t"), "one that does is another session's"


def test_one_token_by_its_name_or_by_itself() -> None:
    by_name = ended(endings.token(claims(), "t", NOW + 9))
    assert by_name.refuse(claims(), "spelt otherwise")
    assert not by_name.refuse(claims(jti="jti_2"), "t")
    by_text = ended(endings.token(claims(jti=None), "t", NOW + 9))
    assert by_text.refuse(claims(jti=None), "t")
    assert not by_text.refuse(claims(jti=None), "u")


def test_what_a_sign_in_brought_passes_and_nothing_else() -> None:
    found = ended(endings.subject("usr_a", NOW + 5, NOW + 9))
    for entry in found.passes_for(claims(), "t", NOW + 9):
        found.add(entry)
    assert found.lets_pass(claims(), "t")
    assert not found.refuse(claims(), "t")
    assert found.refuse(claims(jti="jti_2"), "u")
    for later in (
        endings.token(claims(), "t", NOW + 9),
        endings.session("ses_1", NOW + 1, NOW + 9),
        endings.subject("usr_a", NOW + 5.001, NOW + 9),
    ):
        again = ended(*found.entries(), later)
        assert again.refuse(claims(), "t"), "and then it is ended itself"
        assert not again.lets_pass(claims(), "t")


def test_of_a_token_that_nothing_dates() -> None:
    found = ended(endings.session("ses_1", NOW, NOW + 9))
    assert found.may_refuse(claims(iat=NOW + 100))
    assert not found.may_refuse(claims(sid="ses_2"))


def test_joining_is_the_same_in_any_order() -> None:
    early, late = endings.session("ses_1", NOW, NOW + 9), endings.session("ses_1", NOW + 5, NOW + 7)
    one, other = ended(early, late), ended(late, early, early)
    assert one.entries() == other.entries() == [(early[0], NOW + 5, NOW + 9)]
    assert not one.add(early)


def test_what_has_ended_by_itself_is_forgotten() -> None:
    found = ended(endings.session("ses_1", NOW, NOW + 9), endings.session("ses_2", NOW, NOW + 99))
    found.forget(NOW + 10)
    assert [until for *_, until in found.entries()] == [NOW + 99]


def test_it_is_bounded() -> None:
    found = ended(*(endings.session(f"ses_{number}", NOW, NOW + number) for number in range(50)))
    assert found.cut(20)
    assert sorted(until for *_, until in found.entries()) == [NOW + number for number in range(30, 50)]
    assert not found.cut(20)


def test_no_name_stands_in_it() -> None:
    entries = [endings.session("ses_secret", NOW, NOW), endings.subject("usr_secret", NOW, NOW)]
    assert "secret" not in str(entries)


@pytest.mark.parametrize(
    "value",
    [None, 7, "x", {}, [7], [["a"]], [["a", "b", "c"]], [[1, 2, 3]], [["a", float("nan"), 1]]],
)
def test_unsound_entries_are_passed_over(value: object) -> None:
    assert list(read_entries(value)) == []


def test_sound_ones_among_them_are_read() -> None:
    assert list(read_entries([7, ["ab", 1, 2.5]])) == [("ab", 1, 2.5)]
