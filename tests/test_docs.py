"""The reference pages name everything that the clients offer."""

from __future__ import annotations

import re
from pathlib import Path

import pytest_syncline
import syncline
import syncline.testing

REFERENCE = Path(__file__).parents[1] / "docs/reference"
PAGE, TESTING = REFERENCE / "python.md", REFERENCE / "testing.md"


def test_the_python_reference_has_each_public_name_once() -> None:
    described = re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", PAGE.read_text(), re.MULTILINE)

    assert sorted(described) == sorted(syncline.__all__)


def test_the_reference_has_each_fixture_and_class_of_the_pytest_plugin_once() -> None:
    described = re.findall(r"^\.\. auto\w+:: (\w+)$", TESTING.read_text(), re.MULTILINE)
    fixtures = [name for name in vars(pytest_syncline) if name.startswith("syncline_")]

    assert sorted(described) == sorted([*fixtures, *syncline.testing.__all__])
