"""The Lua scripts. Redis runs each one atomically."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "ALL",
    "API_KEY",
    "CLAIM",
    "COMMIT",
    "DATA_SET",
    "DUE",
    "FETCH",
    "LEASE",
    "NAME",
    "DEAD_LETTERS",
    "PERMIT",
    "PRIVILEGES",
    "PROBE",
    "PRUNE",
    "SERVICE",
    "SETTLE",
    "WEBHOOKS",
    "Script",
]


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which EVALSHA names it."""

    source: bytes
    digest: str

    @classmethod
    def read(cls, *names: str) -> Script:
        """The script made of these files, one after the other; a script has no `require`."""
        folder = Path(__file__).parent
        source = b"".join((folder / name).read_bytes() for name in names)
        return cls(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


COMMIT = Script.read("lib/webhooks.lua", "document.lua")
CLAIM = Script.read("claim.lua")
FETCH = Script.read("fetch.lua")
DUE = Script.read("expiry.lua")
PERMIT = Script.read("permissions.lua")
PRUNE = Script.read("prune.lua")
SERVICE = Script.read("service.lua")
API_KEY = Script.read("api_key.lua")
WEBHOOKS = Script.read("lib/webhooks.lua", "webhooks.lua")
NAME = Script.read("name.lua")
LEASE = Script.read("lease.lua")
DEAD_LETTERS = Script.read("dead_letters.lua")
SETTLE = Script.read("settle.lua")
DATA_SET = Script.read("data_set.lua")
PRIVILEGES = Script.read("privileges.lua")
PROBE = Script.read("probe.lua")
ALL = (
    COMMIT,
    CLAIM,
    FETCH,
    DUE,
    PERMIT,
    PRUNE,
    SERVICE,
    API_KEY,
    WEBHOOKS,
    LEASE,
    NAME,
    DEAD_LETTERS,
    SETTLE,
    DATA_SET,
    PRIVILEGES,
    PROBE,
)
