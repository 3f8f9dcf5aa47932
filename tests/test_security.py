"""The table of attacks names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_what_is_said_to_hold_an_attack_is_there() -> None:
    text = (ROOT / "docs" / "security.md").read_text()
    path, found, missing = "", 0, []
    # A test without a path is in the file that was named last.
    for named, test in re.findall(r"`(tests/[\w/.]+)?(?:::)?(test_\w+)?`", text):
        path = named or path
        if not named and not test:
            continue
        file = ROOT / path
        is_there = file.exists() and (not test or f"def {test}(" in file.read_text())
        found += is_there
        missing += [] if is_there else [f"{path}::{test}"]
    assert missing == []
    assert found > 60
