"""The reference pages name everything that the clients offer."""

from __future__ import annotations

import re
from pathlib import Path

import syncline

PAGE = Path(__file__).parent.parent / "docs" / "reference" / "python.md"


def test_the_python_reference_has_each_public_name_once() -> None:
    described = re.findall(r"^\.\. (?:auto|py:)\w+:: (\w+)$", PAGE.read_text(), re.MULTILINE)

    assert sorted(described) == sorted(syncline.__all__)
