"""The tools of the house can say no."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from workshop import room_size

ROOT = Path(__file__).parents[2]


def test_a_module_that_outgrew_its_room_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "fits.py").write_text("\n" * 300)
    assert room_size.main(package) == 0
    (package / "grew.py").write_text("\n" * 301)
    assert room_size.main(package) == 1
    assert "package/grew.py: 301 lines" in capsys.readouterr().out


def test_no_module_of_the_package_outgrew_its_room() -> None:
    assert room_size.outgrown(room_size.PACKAGE, room_size.LIMIT) == []


@pytest.mark.parametrize("wanted", ["", f"{sys.version_info[0]}.{sys.version_info[1]}"])
def test_find_python_finds_one_that_runs(wanted: str) -> None:
    found = subprocess.run([ROOT / "workshop/find-python", wanted], capture_output=True, text=True, check=True)
    version = subprocess.run([found.stdout.strip(), "-V"], capture_output=True, text=True, check=True).stdout
    assert version.startswith(f"Python {wanted}" if wanted else "Python 3.")


def test_find_python_says_what_to_do_when_there_is_none() -> None:
    found = subprocess.run([ROOT / "workshop/find-python", "3.2"], capture_output=True, text=True, check=False)
    assert found.returncode == 1
    assert "No Python 3.2" in found.stderr


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    # The copy is first on the path, so that it is read and not the checkout that is installed.
    code = "from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", code, "--no-cache", "--config", str(root / "pyproject.toml")],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def copy_of_the_house(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "iqauth_django", tmp_path / "iqauth_django", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_walls_stand(copy_of_the_house: Path) -> None:
    done = lint_imports(copy_of_the_house)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "line", "wall"),
    [
        ("protocol/keys.py", "import django", "The core never heard of a framework"),
        ("client/transport.py", "from django.conf import settings", "The core never heard of a framework"),
        ("protocol/keys.py", "import requests", "The protocol opens no connection"),
        ("protocol/keys.py", "from iqauth_django.client import transport", "A file knows only what lies below it"),
        ("session/__init__.py", "from iqauth_django import middleware", "A file knows only what lies below it"),
        ("issuer/store.py", "from iqauth_django import conf", "The issuer stands on the protocol alone"),
        ("middleware.py", "from iqauth_django import issuer", "Only the testing room knows the issuer"),
    ],
)
def test_a_breach_of_a_wall_is_refused(copy_of_the_house: Path, room: str, line: str, wall: str) -> None:
    path = copy_of_the_house / "iqauth_django" / room
    path.write_text(path.read_text() + f"\n{line}\n")
    done = lint_imports(copy_of_the_house)
    assert done.returncode == 1, done.stdout
    assert f"{wall} BROKEN" in done.stdout
