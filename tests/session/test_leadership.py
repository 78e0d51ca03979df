"""Who leads, and who takes the place of a leader that is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from iqauth_django.session import leadership

SAY_NAME = "from iqauth_django.session.leadership import new_name; print(new_name(), flush=True); input()"


@pytest.fixture
def other_process(site: object) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process of this machine, and its name as a leader."""
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    command = [sys.executable, "-c", SAY_NAME]
    with subprocess.Popen(command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
        process.kill()


def test_one_leads(site: object) -> None:
    me, other = leadership.new_name(), leadership.new_name()
    assert leadership.take("lock", me, 9)
    assert not leadership.take("lock", other, 9)
    assert leadership.leader("lock") == me
    leadership.leave("lock", other)
    assert leadership.leader("lock") == me, "only its holder gives it back"
    leadership.leave("lock", me)
    assert leadership.take("lock", other, 9)


def test_a_living_process_is_not_dead(other_process: tuple[subprocess.Popen[str], str]) -> None:
    assert not leadership.is_dead(other_process[1])
    assert not leadership.is_dead(leadership.new_name())


@pytest.mark.parametrize("reaped", [True, False])
def test_a_killed_one_is(other_process: tuple[subprocess.Popen[str], str], reaped: bool) -> None:
    """Also while its parent has not asked after it: a zombie answers nobody."""
    process, name = other_process
    process.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    if reaped:
        process.wait(10)
    assert leadership.is_dead(name)


def test_a_process_id_that_was_used_again_is_another_process() -> None:
    token, machine, pid, begun_at = leadership.new_name().split(" ")
    assert leadership.is_dead(f"{token} {machine} {pid} {int(begun_at) + 1}")


@pytest.mark.parametrize("name", ["", "x", "a b c d", "a  1 2", "a other-machine 999999999 7", "a b c d e"])
def test_of_another_machine_nobody_knows(name: str) -> None:
    assert not leadership.is_dead(name)


def test_of_all_heirs_one_takes_over(site: object) -> None:
    dead = leadership.new_name()
    leadership.take("lock", dead, 9)
    names = [leadership.new_name() for _ in range(16)]
    barrier, heirs = threading.Barrier(16), []

    def inherit(me: str) -> None:
        barrier.wait(10)
        if leadership.take_over("lock", dead, me, 9):
            heirs.append(me)

    threads = [threading.Thread(target=inherit, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert heirs == [leadership.leader("lock")]


def test_nobody_takes_over_from_who_has_left(site: object) -> None:
    dead, next_one, heir = (leadership.new_name() for _ in range(3))
    leadership.take("lock", next_one, 9)
    assert not leadership.take_over("lock", dead, heir, 9)
    assert leadership.leader("lock") == next_one
