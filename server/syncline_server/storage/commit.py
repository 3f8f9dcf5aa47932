"""A commit: the arguments of one run of document.lua, and how to find out whether it was applied.

The second is needed when the connection breaks between the command and its reply: then the commit
may or may not have been applied.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import getrandbits, randrange
from typing import Any

import orjson

from syncline_protocol import revisions
from syncline_protocol.errors import Code, Refusal

from .author import Author
from .operations import claim, operation_id
from .redis.client import Redis
from .redis.clock import now_ms
from .redis.connection import Argument
from .rights import Right
from .webhooks import WebhookPolicy

__all__ = [
    "REPLY_LENGTH",
    "Commit",
    "NewDocument",
    "Step",
    "StepRepeated",
    "bits",
    "claim_all",
]

MARK_BITS = 64
"""Random bits in the mark of a write."""

REPLY_LENGTH = 11
"""Elements in a reply of document.lua; one more names what Redis refused after the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewDocument:
    """A document to create.

    Attributes:
        name: its unique name; None for none.
        ttl: seconds until it expires; None for never.
        op: operation id; None for none.
    """

    name: str | None = None
    data: bytes = b"{}"
    ttl: int | None = None
    op: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of several writes that are committed together.

    Attributes:
        data: the document's data after this step.
        op: operation id; None for none.
        fingerprint: of the request.
    """

    author: Author
    data: bytes
    op: str | None = None
    fingerprint: str = ""


class StepRepeated(Exception):
    """One of several steps was committed before, so the script has committed none of them."""


# Not frozen: creating a frozen one takes several times as long.
@dataclass(slots=True, kw_only=True)
class Commit:
    """One run of document.lua.

    Attributes:
        earlier: the steps that are committed with this one.
        fingerprint: distinguishes the request from another one with the same operation id.
        operations: first part of the keys of operation ids.
        trace: what the event carries, as `Traces.commit` gives it; "" for nothing.
        at_ms: this machine's clock when the commit was made.
        not_before_ms: lower bound of Redis' clock at that time. This write gets no revision below
            it. It does not depend on this machine's clock, which may be wrong.
        mark: random name of this write. document.lua stores it with the document.
    """

    tag: str
    verb: str
    sid: str
    author: Author
    name: str = ""
    if_match: int | None = None
    data: bytes = b""
    ttl: int | None = None
    op: str | None = None
    earlier: Sequence[Step] = ()
    fingerprint: str = ""
    operations: str = ""
    trace: str = ""
    at_ms: int = field(default_factory=lambda: now_ms())
    mark: str = field(default_factory=lambda: _mark())
    not_before_ms: int = 0

    @property
    def bucket(self) -> str:
        """The bucket, as two hexadecimal digits."""
        return self.tag[-3:-1]

    def arguments(self, operation_ms: int, publishing: str) -> tuple[Argument, ...]:
        """ARGV of document.lua, in its order.

        Args:
            operation_ms: milliseconds for which the operation id is remembered.
            publishing: `Redis.publishing`.
        """
        author = self.author
        return (
            self.verb,
            self.sid,
            self.name,
            "" if self.if_match is None else self.if_match,
            self.data,
            "" if self.ttl is None else self.ttl,
            author.identity,
            operation_id(author.identity, self.op),
            operation_ms,
            self.at_ms,
            randrange(revisions.PER_MS),
            publishing,
            self.mark,
            bits(author.needs),
            _steps(self.earlier),
            _webhooks(author.webhooks),
            self.trace,
            self.operations,
            self.fingerprint,
        )

    @property
    def is_repeatable(self) -> bool:
        """True if the same commit can be sent twice: its operation id lets it take effect once."""
        return self.op is not None and not self.earlier

    def was_applied(self, newest: list[Any]) -> bool:
        """True if the document, as fetch.lua returned it, shows that this write was applied."""
        if newest[0] != b"ok":
            return False
        # The mark is only there while no later write has replaced it. A SID is made for one
        # "create", so the document's existence proves that one even after later writes.
        return newest[-1] == self.mark.encode() or (
            self.verb == "create" and newest[1] == self.sid.encode()
        )

    def cannot_have_been_applied(self, newest: list[Any]) -> bool:
        """True if the document shows that this write was not applied.

        `was_applied` must be False. If both are False, nobody can say: another write came after.
        """
        if newest[0] != b"ok":
            return self._cannot_have_ended(newest)
        # Revisions only move forward, and this write's would be above `if_match` and at least
        # `not_before_ms`. A document that is still below has not seen it.
        revision = int(newest[3])
        return revision == self.if_match or revision < revisions.lowest_at(self.not_before_ms)

    def _cannot_have_ended(self, newest: list[Any]) -> bool:
        """True if this write was not applied to a document that has ended since."""
        if self.verb in ("expire", "advance"):
            return True  # a second time it changes nothing
        if self.verb == "remove":
            return False
        # The latest end of a document in the bucket: perhaps of this write's document.
        ended = newest[1] if newest[0] == b"absent" else b""
        return not ended or int(ended) < self.not_before_ms

    def with_new_mark(self) -> Commit:
        """The same write under another mark: the void key of the old mark would stop it."""
        return replace(self, mark=_mark())


async def claim_all(redis: Redis, service_sid: str, commit: Commit, memory: int) -> None:
    """Bind each operation id of a commit to its bucket; on a Cluster only (see `operations`).

    Raises:
        StepRepeated: the commit has several steps, and the operation id of one is bound elsewhere.
        Refusal: `CONFLICT` if the commit has one step, and its operation id is bound elsewhere.
    """
    own = (commit.author.identity, commit.op)
    pairs = [own, *((each.author.identity, each.op) for each in commit.earlier)]
    ids = [operation_id(who, op) for who, op in pairs if op is not None]
    claims = (claim(redis, service_sid, each, commit.bucket, memory) for each in ids)
    try:
        await asyncio.gather(*claims)
    except Refusal as refusal:
        if commit.earlier and refusal.code is Code.CONFLICT:
            raise StepRepeated from None
        raise


def _mark() -> str:
    # Not a secret, so a fast generator will do.
    return f"{getrandbits(MARK_BITS):x}"


def _steps(earlier: Sequence[Step]) -> bytes:
    if not earlier:
        return b""
    return orjson.dumps(
        [
            (each.author.identity, operation_id(each.author.identity, each.op), each.fingerprint)
            for each in earlier
        ]
    )


def _webhooks(policy: WebhookPolicy | None) -> str:
    if policy is None:
        return ""
    return f"{policy.limit} {policy.reports_write:d} {policy.endpoint}"


def bits(needs: Right | None) -> int | str:
    return "" if needs is None else int(needs)
