"""The Lua scripts. Redis runs each one atomically."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from syncline_protocol.objects import STREAM, TYPES, ObjectType
from syncline_server.storage.keys import names_part

__all__ = [
    "ALL",
    "API_KEY",
    "CLAIM",
    "CONSOLE_SESSION",
    "DATA_SET",
    "DEAD_LETTERS",
    "DISCARD",
    "DUE",
    "ITEM_SCRIPTS",
    "LEASE",
    "MESSAGE",
    "NAME",
    "PRIVILEGES",
    "PROBE",
    "PRUNE",
    "RECLAIM",
    "SERVICE",
    "SETTLE",
    "OBJECT",
    "OBJECT_SCRIPTS",
    "WEBHOOKS",
    "WRITE",
    "ItemScripts",
    "ObjectScripts",
    "Script",
    "by_name",
    "object_script",
]


@dataclass(frozen=True, slots=True)
class Script:
    """A script and the digest by which EVALSHA names it."""

    source: bytes
    digest: str

    @classmethod
    def read(cls, *names: str, first: str = "") -> Script:
        """The script made of `first` and these files; a script has no `require`."""
        folder = Path(__file__).parent
        source = _with_constants(
            first.encode() + b"".join((folder / name).read_bytes() for name in names)
        )
        return cls(source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


def _with_constants(source: bytes) -> bytes:
    """Put the values of constants (`local NAME <const> = value`) in place of their names.

    The Lua of Redis has no constants, and each local that a function uses costs time at each run.
    """
    constants = dict(_CONSTANT.findall(source))
    source = _CONSTANT.sub(b"", source)
    return re.sub(rb"\b[A-Z_]+\b", lambda found: constants.get(found[0], found[0]), source)


_CONSTANT = re.compile(rb"^local ([A-Z_]+) <const> = (.+)$", re.MULTILINE)


def by_name(arguments: Mapping[str, str | bytes | int | None]) -> list[str | bytes | int]:
    """ARGV of a script that takes its arguments by name (lib/arguments.lua); None for absent."""
    return [
        word for name, value in arguments.items() if value is not None for word in (name, value)
    ]


def _lib(*names: str) -> list[str]:
    return [f"lib/{name}.lua" for name in names]


_BY_NAME = _lib("arguments", "clock")
"""What every script begins with that takes arguments."""

OBJECT = [*_BY_NAME, *_lib("object", "rights")]
"""What every script begins with that reads an object."""

WRITE = _lib(
    *("revision", "applied", "operation", "publish"),
    *("webhook_queue", "webhooks", "garbage", "removal"),
)
"""What follows `OBJECT` in scripts that write an object."""


def object_script(type_: ObjectType, *names: str) -> Script:
    """The script made of `OBJECT` and these files, for objects of one type.

    The type is a constant of the script, not an argument, because that costs no time.
    """
    values = {
        "TYPE": type_.name,
        "PLURAL": type_.plural,
        "NAMES": names_part(type_),
        "HAS_PERMISSIONS": "yes" if type_.has_permissions else "no",
        "PARTS": "items order changes removed" if type_.has_items else "",
    }
    constants = "".join(f"local {name} <const> = '{value}'\n" for name, value in values.items())
    return Script.read(*OBJECT, *names, first=constants)


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectScripts:
    """The scripts that every type has, for one type."""

    fetch: Script
    create: Script
    update: Script
    advance: Script
    remove: Script
    expire: Script
    permit: Script

    @classmethod
    def of(cls, type_: ObjectType) -> ObjectScripts:
        return cls(
            fetch=object_script(type_, *_lib("readable"), "fetch.lua"),
            create=object_script(type_, *WRITE, *_lib("write"), "create.lua"),
            update=object_script(
                type_, *WRITE, *_lib("write", "update_event", "target"), "update.lua"
            ),
            advance=object_script(type_, *WRITE, *_lib("write", "update_event"), "advance.lua"),
            remove=object_script(type_, *WRITE, *_lib("target"), "remove.lua"),
            expire=object_script(type_, *WRITE, "expire.lua"),
            permit=object_script(type_, *_lib("applied", "publish"), "permissions.lua"),
        )

    def __iter__(self) -> Iterator[Script]:
        return (getattr(self, each.name) for each in fields(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemScripts:
    """The scripts that every type with items has, for one type."""

    write: Script
    page: Script
    replay: Script
    outcome: Script

    @classmethod
    def of(cls, type_: ObjectType) -> ItemScripts:
        reads = _lib("readable", "items")
        return cls(
            write=object_script(type_, *WRITE, *_lib("target", "items", "collection"), "item.lua"),
            page=object_script(type_, *reads, "page.lua"),
            replay=object_script(type_, *reads, "replay.lua"),
            outcome=object_script(type_, *reads, "outcome.lua"),
        )

    def __iter__(self) -> Iterator[Script]:
        return (getattr(self, each.name) for each in fields(self))


OBJECT_SCRIPTS = {type_.name: ObjectScripts.of(type_) for type_ in TYPES}
"""By the name of the type."""

ITEM_SCRIPTS = {type_.name: ItemScripts.of(type_) for type_ in TYPES if type_.has_items}
"""By the name of the type."""

CLAIM = Script.read(*_BY_NAME, "claim.lua")
DISCARD = Script.read(*_BY_NAME, *_lib("applied", "garbage"), "discard.lua")
DUE = Script.read(*_BY_NAME, "expiry.lua")
PRUNE = Script.read(*_BY_NAME, "prune.lua")
RECLAIM = Script.read(*_BY_NAME, *_lib("items"), "reclaim.lua")
MESSAGE = object_script(STREAM, *WRITE, *_lib("target"), "message.lua")
SERVICE = Script.read(*_BY_NAME, "service.lua")
API_KEY = Script.read(*_BY_NAME, "api_key.lua")
CONSOLE_SESSION = Script.read(*_BY_NAME, "console_session.lua")
WEBHOOKS = Script.read(*_BY_NAME, *_lib("webhook_queue"), "webhooks.lua")
NAME = Script.read(*_BY_NAME, "name.lua")
LEASE = Script.read(*_BY_NAME, "lease.lua")
DEAD_LETTERS = Script.read(*_BY_NAME, "dead_letters.lua")
SETTLE = Script.read(*_BY_NAME, "settle.lua")
DATA_SET = Script.read(*_BY_NAME, "data_set.lua")
PRIVILEGES = Script.read(*_BY_NAME, "privileges.lua")
PROBE = Script.read("probe.lua")
ALL = (
    *(script for scripts in OBJECT_SCRIPTS.values() for script in scripts),
    *(script for scripts in ITEM_SCRIPTS.values() for script in scripts),
    CLAIM,
    DISCARD,
    DUE,
    PRUNE,
    RECLAIM,
    SERVICE,
    API_KEY,
    CONSOLE_SESSION,
    WEBHOOKS,
    LEASE,
    MESSAGE,
    NAME,
    DEAD_LETTERS,
    SETTLE,
    DATA_SET,
    PRIVILEGES,
    PROBE,
)
