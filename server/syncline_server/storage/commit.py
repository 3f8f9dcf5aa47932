"""A commit: the arguments of one run of a script that writes an object of any type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import random

import orjson

from syncline_protocol import revisions

from . import keys, operations
from .author import Author
from .keys import ObjectAddress
from .redis.client import Redis
from .redis.clock import now_ms
from .redis.connection import Argument
from .rights import bits
from .scripts import OBJECT_SCRIPTS, Script, by_name
from .settlement import make_mark

__all__ = ["Commit", "Step"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One of several writes that are committed together.

    Attributes:
        data: the object's data after this step.
        op: operation id; None for none.
        fingerprint: of the request.
    """

    author: Author
    data: bytes
    op: str | None = None
    fingerprint: str = ""


# Not frozen: creating a frozen one takes several times as long.
@dataclass(slots=True, kw_only=True)
class Commit:
    """One run of a script that writes.

    Attributes:
        at: leads to the object.
        script: one that begins as `scripts.object_script` and `scripts.WRITE` say.
        verb: names the write in traces.
        name: of the object at a SID: a new one gets this name, another one must have it. "" for
            none.
        ttl: of the object, or of what the script writes in it, in seconds.
        earlier: the steps that are committed with this one.
        fingerprint: distinguishes the request from another one with the same operation id.
        parameters: arguments of this script that others do not have, by their names.
        reads: script that shows what the commit writes, by `read_arguments`. Its reply begins with
            the elements of an object (lib/object.lua); as status, it may say whether this commit
            was `applied`, is `unapplied`, or that this is `unknown`. None for the type's `fetch`.
        is_idempotent: True if a second run changes nothing.
        trace: what the event carries, as `Traces.commit` gives it; "" for nothing.
        at_ms: this machine's clock when the commit was made.
        not_before_ms: lower bound of Redis' clock at that time. This write gets no revision below
            it. It does not depend on this machine's clock, which may be wrong.
        mark: random name of this write.
        tag: hash tag of the bucket.
    """

    at: ObjectAddress
    script: Script
    verb: str
    author: Author
    name: str = ""
    if_match: int | None = None
    ttl: int | None = None
    op: str | None = None
    earlier: Sequence[Step] = ()
    fingerprint: str = ""
    parameters: Mapping[str, Argument | None] = field(default_factory=dict)
    reads: Script | None = None
    is_idempotent: bool = False
    trace: str = ""
    at_ms: int = field(default_factory=lambda: now_ms())
    mark: str = field(default_factory=make_mark)
    not_before_ms: int = 0
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        self.tag = self.at.tag

    @property
    def bucket(self) -> str:
        """The bucket, as two hexadecimal digits."""
        return self.tag[-3:-1]

    @property
    def is_repeatable(self) -> bool:
        """True if the same commit can be sent twice, for it takes effect once."""
        # The record of the operation id gives a second run the first answer. Not where steps are
        # committed together: of those, the script only says that one was committed before.
        return self.is_idempotent or (self.op is not None and not self.earlier)

    def with_new_mark(self) -> Commit:
        """The same write under another mark."""
        # For a second attempt. The first may still be on its way: a void key stops it by its mark,
        # which must not stop this one too.
        return replace(self, mark=make_mark())

    def arguments(self, redis: Redis, operation_ms: int) -> list[Argument]:
        """ARGV of the script.

        Args:
            operation_ms: milliseconds for which the operation id is remembered.
        """
        at, author, webhooks = self.at, self.author, self.author.webhooks
        publish, channel, tail = redis.publishing(self.tag)
        # An operation id counts for the whole service: used again for an object of another bucket,
        # it is found. On a Cluster a script reaches one slot, so the record is in the bucket, and
        # `operations.claim_all` has bound the id to that bucket before.
        whole = redis.engine.is_whole
        # Names and values by turns. Absent ones are omitted: each costs time at each write. A list,
        # because a dictionary of all of them costs as much as the rest of a write's arguments.
        arguments: list[Argument] = [
            "identity",
            author.identity,
            # A failover can bring a master whose clock is behind. The later of the two clocks
            # counts, so no revision is used twice (promise 2); the script limits how far ahead.
            "clock",
            self.at_ms,
            # Low bits of the revision: after a failover that lost this write, hardly any other
            # write gets its revision, so a client does not take the one for the other.
            "random",
            int(random() * revisions.PER_MS),
            # Stored with the object. If the reply is lost, a read compares it: was this write the
            # last one (`settlement`)?
            "mark",
            self.mark,
            "publish",
            publish,
            "channel",
            channel,
            "operations",
            redis.prefixed(keys.service_tag(at.service_sid) if whole else self.tag),
            "operation_ms",
            operation_ms,
        ]
        if at.sid:
            arguments += ("sid", at.sid)
        if self.name or not at.sid:
            arguments += ("name", self.name or at.name)
        if tail is not None:
            arguments += ("tail", tail)
        if self.if_match is not None:
            arguments += ("if_match", self.if_match)
        if self.ttl is not None:
            arguments += ("ttl", self.ttl)
        if (needs := bits(author.needs)) is not None:
            arguments += ("needs", needs)
        if self.op is not None:
            arguments += ("operation", operations.operation_id(author.identity, self.op))
        if self.fingerprint:
            arguments += ("fingerprint", self.fingerprint)
        if self.earlier:
            arguments += ("earlier", _steps(self.earlier))
        if self.trace:
            arguments += ("trace", self.trace)
        if webhooks is not None:
            arguments += ("webhooks_limit", webhooks.limit)
            if webhooks.reports_write:
                arguments += ("webhooks_reports", 1)
            if webhooks.endpoint:
                arguments += ("endpoint", webhooks.endpoint)
        for name, value in self.parameters.items():
            if value is not None:
                arguments += (name, value)
        return arguments

    @property
    def _lookup(self) -> dict[str, str | None]:
        return self.at.lookup | ({"name": self.name} if self.name else {})

    @property
    def reading_script(self) -> Script:
        """The script that shows what the commit writes."""
        return self.reads or OBJECT_SCRIPTS[self.at.type.name].fetch

    def read_arguments(self) -> list[Argument]:
        """ARGV of `reading_script`."""
        return by_name(
            {
                **self._lookup,
                "mark": self.mark,
                # An item whose revision is below this bound has not seen the write. The bound is by
                # Redis' clock: this machine's may be ahead of it.
                "since": revisions.lowest_at(self.not_before_ms),
                "since_ms": self.not_before_ms,
                **self.parameters,
            }
        )


def _steps(earlier: Sequence[Step]) -> bytes:
    return orjson.dumps(
        [
            (
                each.author.identity,
                operations.operation_id(each.author.identity, each.op),
                each.fingerprint,
            )
            for each in earlier
        ]
    )
