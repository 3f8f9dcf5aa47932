"""One run of document.lua, and how to tell afterwards what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import getrandbits, randrange
from typing import Any

import orjson

from syncline_protocol.errors import Code, Refusal

from .operations import claim, operation_id
from .redis.client import Redis
from .redis.clock import now_ms
from .redis.connection import Argument
from .rights import Right

__all__ = [
    "REVISION_RANDOM",
    "Commit",
    "NewDocument",
    "Step",
    "StepRepeated",
    "bits",
    "claim_all",
    "now_ms",
]

MARK_BITS = 64
"""Random bits that name a write."""

REVISION_RANDOM = 1024
"""Low bits of a revision that are random, as a count of values (see document.lua)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document that is to be created: its members, who creates it, and as which operation."""

    name: str | None
    data: bytes
    ttl: int | None
    who: str
    op: str | None
    webhooks: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One of several writes that are committed together: who makes it, and the data from then on.

    `op` is an operation id or None, `fingerprint` that of the request.
    """

    who: str
    data: bytes
    op: str | None
    fingerprint: str = ""


class StepRepeated(Exception):
    """One of several steps was committed before, so that none is now."""


# Not frozen, which makes each one several times as expensive.
@dataclass(slots=True)
class Commit:
    """One run of document.lua, and how to tell afterwards what became of it.

    Attributes:
        earlier: who made the steps that are committed with this one, their operation ids and
            fingerprints.
        webhooks: what it does to the queue of webhooks, as `webhooks.hook` says; "" for nothing.
        fingerprint: tells the request from others with its operation id.
        operations: what the keys of operation ids begin with.
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
    earlier: Sequence[tuple[str, str | None, str]] = ()
    webhooks: str = ""
    fingerprint: str = ""
    operations: str = ""
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
            operation_id(self.who, self.op),
            operation_ms,
            self.at_ms,
            randrange(REVISION_RANDOM),
            publishing,
            self.mark,
            bits(self.needs),
            orjson.dumps([(who, operation_id(who, op), digest) for who, op, digest in self.earlier])
            if self.earlier
            else "",
            self.webhooks,
            self.trace,
            self.operations,
            self.fingerprint,
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


async def claim_all(redis: Redis, service_sid: str, commit: Commit, memory: int) -> None:
    """On a Cluster: see that no operation of a commit writes to two buckets (see `operations`).

    Raises:
        StepRepeated: one of several steps was refused.
    """
    pairs = [(commit.who, commit.op), *((who, op) for who, op, _ in commit.earlier)]
    ids = [operation_id(who, op) for who, op in pairs if op is not None]
    claims = (claim(redis, service_sid, each, commit.bucket, memory) for each in ids)
    try:
        await asyncio.gather(*claims)
    except Refusal as refusal:
        if commit.earlier and refusal.code is Code.CONFLICT:
            raise StepRepeated from None
        raise


def _mark() -> str:
    # No secret: nobody gains anything by guessing it.
    return f"{getrandbits(MARK_BITS):x}"


def bits(needs: Right | None) -> int | str:
    return "" if needs is None else int(needs)
