"""The Lua scripts, each the whole of one atomic step."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ALL", "COMMIT", "DUE", "FETCH", "PERMIT", "SERVICE", "Script"]


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which EVALSHA names it."""

    source: bytes
    digest: str

    @classmethod
    def read(cls, name: str) -> Script:
        """The script in the file `name`."""
        source = (Path(__file__).parent / "scripts" / name).read_bytes()
        return cls(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


COMMIT = Script.read("commit.lua")
FETCH = Script.read("fetch.lua")
DUE = Script.read("due.lua")
PERMIT = Script.read("permit.lua")
SERVICE = Script.read("service.lua")
ALL = (COMMIT, FETCH, DUE, PERMIT, SERVICE)
