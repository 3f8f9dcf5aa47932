"""Breaks a promise on purpose: Python imports this at its start where `PYTHONPATH` names it.

`DEFECT` is JSON: the name of a Lua script's file, then pairs of a text in it and its replacement.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

_name, *_pairs = json.loads(os.environ["DEFECT"])
_read_bytes = Path.read_bytes


def _read_defective(path: Path) -> bytes:
    source = _read_bytes(path)
    if path.name != _name:
        return source
    for text, replacement in _pairs:
        assert source.count(text.encode()) == 1, f"{path} has changed: {text}"
        source = source.replace(text.encode(), replacement.encode())
    return source


Path.read_bytes = _read_defective  # type: ignore[method-assign,assignment]
