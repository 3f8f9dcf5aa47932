"""Breaks a promise on purpose: Python imports this at its start where `PYTHONPATH` names it.

`DEFECT` is JSON: the name of a file, a Lua script or a module, then pairs of a text in it and its
replacement.
"""

from __future__ import annotations

import json
import os
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

_name, *_pairs = json.loads(os.environ["DEFECT"])
_read_bytes = Path.read_bytes
_get_code = SourceFileLoader.get_code


def _replace(path: Path, source: bytes) -> bytes:
    for text, replacement in _pairs:
        assert source.count(text.encode()) == 1, f"{path} has changed: {text}"
        source = source.replace(text.encode(), replacement.encode())
    return source


def _read_defective(path: Path) -> bytes:
    source = _read_bytes(path)
    return _replace(path, source) if path.name == _name else source


def _get_defective_code(loader: SourceFileLoader, fullname: str) -> CodeType | None:
    path = Path(loader.path)
    # A module of the server, and none of the same name elsewhere.
    if path.name != _name or not fullname.startswith("syncline_server."):
        return _get_code(loader, fullname)
    return compile(_replace(path, _read_bytes(path)), path, "exec", dont_inherit=True)


Path.read_bytes = _read_defective  # type: ignore[method-assign,assignment]
SourceFileLoader.get_code = _get_defective_code  # type: ignore[method-assign,assignment]
