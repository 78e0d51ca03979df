"""The seams that CONTRIBUTING names are there, under those names, with those parameters."""

from __future__ import annotations

import importlib
import inspect
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SEAMS = re.findall(r"^\| [^|]+ \| `(\w+)\.(\w+)\(([^`]*)\)`", TEXT, re.MULTILINE)


@pytest.mark.parametrize(("module", "name", "parameters"), SEAMS)
def test_a_seam_has_the_parameters_that_are_written(module: str, name: str, parameters: str) -> None:
    function = getattr(importlib.import_module(f"iqauth_django.protocol.{module}"), name)
    written = [part.strip().partition("=")[0] for part in parameters.split(",") if part.strip() != "*"]
    assert list(inspect.signature(function).parameters) == written


def test_all_seams_are_listed() -> None:
    assert len(SEAMS) == 8


@pytest.mark.parametrize(
    "path", sorted(set(re.findall(r"`((?:protocol|templates|static|workshop|tests|example_project)/[\w./]*)`", TEXT)))
)
def test_a_path_that_is_named_exists(path: str) -> None:
    assert (ROOT / path).exists() or (ROOT / "iqauth_django" / path).exists()


def test_the_verbs_that_are_named_are_the_verbs_that_exist() -> None:
    targets = set(re.findall(r"^\.PHONY: (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)[0].split())
    assert set(re.findall(r"`make ([\w-]+)`", TEXT)) == targets
