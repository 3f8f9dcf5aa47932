"""One run of document.lua, and how to tell afterwards what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import getrandbits, randrange
from typing import Any

import orjson

from .redis.clock import now_ms
from .redis.connection import Argument
from .rights import Right

__all__ = ["REPLY_LENGTH", "REVISION_RANDOM", "Commit", "bits", "now_ms"]

MARK_BITS = 64
"""Random bits that name a write."""

REPLY_LENGTH = 11
"""Elements of a reply of document.lua; one more says what Redis refused after the write."""

REVISION_RANDOM = 1024
"""Low bits of a revision that are random, as a count of values (see document.lua)."""


# Not frozen, which makes each one several times as expensive.
@dataclass(slots=True)
class Commit:
    """One run of document.lua, and how to tell afterwards what became of it.

    Attributes:
        earlier: who made the steps that are committed with this one, and their operation ids.
        webhooks: what it does to the queue of webhooks, as `webhooks.hook` says; "" for nothing.
        trace: what its event carries, as `Traces.commit` gives it; "" for nothing.
        at_ms: this machine's clock when it was first sent.
        not_before_ms: what Redis' clock showed then at the least: this write gives no revision
            before that. It does not depend on this machine's clock, which may be wrong.
        mark: names this write in the document.
    """

    tag: str
    verb: str
    sid: str
    name: str
    if_match: int | None
    data: bytes
    ttl: int | None
    who: str
    op: str | None
    needs: Right | None
    earlier: Sequence[tuple[str, str | None]] = ()
    webhooks: str = ""
    trace: str = ""
    at_ms: int = field(default_factory=lambda: now_ms())
    mark: str = field(default_factory=lambda: _mark())
    not_before_ms: int = 0

    @property
    def bucket(self) -> str:
        """Two hexadecimal digits."""
        return self.tag[-3:-1]

    def arguments(self, operation_ms: int, publishing: str) -> tuple[Argument, ...]:
        """ARGV of the script; `publishing` is what `Redis.publishing` gives."""
        return (
            self.verb,
            self.sid,
            self.name,
            "" if self.if_match is None else self.if_match,
            self.data,
            "" if self.ttl is None else self.ttl,
            self.who,
            _operation(self.who, self.op),
            operation_ms,
            self.at_ms,
            randrange(REVISION_RANDOM),
            publishing,
            self.mark,
            bits(self.needs),
            orjson.dumps([(who, _operation(who, op)) for who, op in self.earlier])
            if self.earlier
            else "",
            self.webhooks,
            self.trace,
        )

    @property
    def is_repeatable(self) -> bool:
        """True if Redis tells by itself that it was applied before."""
        return self.op is not None and not self.earlier

    def was_applied(self, newest: list[Any]) -> bool:
        """True if the document, as `fetch.lua` gives it, shows this write."""
        if newest[0] != b"ok":
            return False
        return newest[-1] == self.mark.encode() or (
            self.verb == "create" and newest[1] == self.sid.encode()
        )

    def cannot_have_been_applied(self, newest: list[Any]) -> bool:
        """True if the document shows that this write has not happened."""
        if newest[0] != b"ok":
            return self.verb != "remove"
        # This write would have given a later revision, and it would still be the last or before it.
        revision = int(newest[3])
        return revision == self.if_match or revision < self.not_before_ms * REVISION_RANDOM

    def anew(self) -> Commit:
        """The same write under another mark, for when this one must not take effect any more."""
        return replace(self, mark=_mark())


def _mark() -> str:
    # No secret: nobody gains anything by guessing it.
    return f"{getrandbits(MARK_BITS):x}"


def _operation(who: str, op: str | None) -> str:
    # The length keeps apart the identity "a:b" with "c" and "a" with "b:c".
    return "" if op is None else f"{len(who)}:{who}:{op}"


def bits(needs: Right | None) -> int | str:
    return "" if needs is None else int(needs)
