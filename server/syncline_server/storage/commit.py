"""A commit: one run of a script that writes an object of any type, from arguments to outcome."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import randrange
from typing import TYPE_CHECKING

import orjson

from syncline_protocol import revisions
from syncline_protocol.errors import Refusal, codes_of
from syncline_protocol.objects import ObjectType
from syncline_protocol.sids import is_sid

from . import keys, operations
from .author import Author
from .away_names import AwayNames, is_away, sid_of
from .errors import Unanswered
from .keys import ObjectAddress
from .redis.client import Redis
from .redis.clock import now_ms
from .redis.connection import Argument
from .replies import Reply, sid_and_name, state_of
from .results import absent, forbidden, mismatch, name_taken, sid_ended
from .rights import bits
from .scripts import OBJECT_SCRIPTS, Script, by_name
from .settlement import Settlement, make_mark
from .webhooks import BucketIndex

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Commit", "Committer", "Step"]

logger = logging.getLogger("syncline.documents")


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
        script: one that begins as `scripts.object_script` and `scripts.WRITE` say.
        verb: names the write in traces.
        sid: of the object; "" if it is addressed by its name.
        ttl: of the object, or of what the script writes in it, in seconds.
        earlier: the steps that are committed with this one.
        fingerprint: distinguishes the request from another one with the same operation id.
        parameters: arguments of this script that others do not have, by their names.
        reads: script that shows what the commit writes, with `parameters` too. Its reply begins
            with the elements of an object (lib/object.lua). None for the type's `fetch`.
        trace: what the event carries, as `Traces.commit` gives it; "" for nothing.
        at_ms: this machine's clock when the commit was made.
        not_before_ms: lower bound of Redis' clock at that time. This write gets no revision below
            it. It does not depend on this machine's clock, which may be wrong.
        mark: random name of this write.
        tag: hash tag of the bucket.
    """

    service_sid: str
    type: ObjectType
    script: Script
    verb: str
    author: Author
    sid: str = ""
    name: str = ""
    if_match: int | None = None
    ttl: int | None = None
    op: str | None = None
    earlier: Sequence[Step] = ()
    fingerprint: str = ""
    parameters: Mapping[str, Argument | None] = field(default_factory=dict)
    reads: Script | None = None
    trace: str = ""
    at_ms: int = field(default_factory=lambda: now_ms())
    mark: str = field(default_factory=make_mark)
    not_before_ms: int = 0
    tag: str = field(init=False)

    def __post_init__(self) -> None:
        self.tag = keys.tag_of(self.service_sid, self.sid or self.name)

    @property
    def bucket(self) -> str:
        """The bucket, as two hexadecimal digits."""
        return self.tag[-3:-1]

    @property
    def is_repeatable(self) -> bool:
        """True if the same commit can be sent twice: its operation id lets it take effect once."""
        return self.op is not None and not self.earlier

    def with_new_mark(self) -> Commit:
        """The same write under another mark."""
        return replace(self, mark=make_mark())

    def arguments(self, redis: Redis, operation_ms: int) -> list[Argument]:
        """ARGV of the script.

        Args:
            operation_ms: milliseconds for which the operation id is remembered.
        """
        author, webhooks = self.author, self.author.webhooks
        publish, channel = redis.publishing
        whole = redis.engine.is_whole
        arguments = {
            "sid": self.sid or None,
            "name": self.name or None,
            "if_match": self.if_match,
            "ttl": self.ttl,
            "identity": author.identity,
            "needs": bits(author.needs),
            "operation": operations.operation_id(author.identity, self.op) or None,
            "operation_ms": operation_ms,
            "operations": redis.prefixed(keys.service_tag(self.service_sid) if whole else self.tag),
            "fingerprint": self.fingerprint or None,
            "earlier": _steps(self.earlier),
            "clock": self.at_ms,
            "random": randrange(revisions.PER_MS),
            "mark": self.mark,
            "publish": publish,
            "channel": channel,
            "trace": self.trace or None,
            **self.parameters,
        }
        if webhooks is not None:
            arguments["webhooks_limit"] = webhooks.limit
            arguments["webhooks_reports"] = 1 if webhooks.reports_write else None
            arguments["endpoint"] = webhooks.endpoint or None
        return by_name(arguments)

    @property
    def reading_script(self) -> Script:
        """The script that shows what the commit writes."""
        return self.reads or OBJECT_SCRIPTS[self.type.name].fetch

    def read_arguments(self) -> list[Argument]:
        """ARGV of `reading_script`."""
        return by_name({"sid": self.sid or None, "name": self.name or None, **self.parameters})


def _steps(earlier: Sequence[Step]) -> bytes | None:
    if not earlier:
        return None
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


class Committer:
    """Carries out commits of any script: everything around the script that no script can do.

    Attributes:
        on_trouble: called with the SIDs of the service and the object when a write was applied but
            Redis refused what follows it, perhaps the event.
    """

    def __init__(self, redis: Redis, operation_ms: int, traces: Traces | None) -> None:
        self._redis = redis
        self._operation_ms = operation_ms
        self._traces = traces
        self._settlement = Settlement(redis, operation_ms)
        self._webhook_buckets = BucketIndex(redis)
        self._names = AwayNames(redis)
        self.on_trouble: Callable[[str, str], None] = lambda service_sid, sid: None

    def note_trouble(self, service_sid: str, sid: str, words: bytes) -> None:
        """Report that a write was applied, but Redis refused what follows it, as `words` say."""
        logger.error("%s was written, but a later step failed: %s", sid, words.decode())
        self._redis.inspect(keys.tag_of(service_sid, sid))
        self.on_trouble(service_sid, sid)

    async def apply(self, commit: Commit) -> Reply:
        """The reply to a commit that was applied, now or before (`repeated`), or whose object
        `exists`.

        Raises:
            StepRepeated: one of several steps was committed before.
            Refusal: the commit was refused, or the store is away.
        """
        if not self._redis.engine.is_whole:
            await operations.claim_all(self._redis, commit, self._operation_ms)
        return await self._apply(commit)

    async def _apply(self, commit: Commit) -> Reply:
        # Read before the commit is sent: its revision is not below this time.
        commit.not_before_ms = self._redis.now_ms(commit.tag)
        if commit.author.webhooks is not None:
            self._webhook_buckets.add(commit.tag[1:-1])
        if commit.ttl:
            # Sent before the commit. If this process dies in between, the sweeper finds nothing due
            # in the bucket; sent after it, the sweeper would miss the object's expiry.
            moment_ms = commit.not_before_ms + commit.ttl * 1000
            noted = self._note_due(keys.due(commit.service_sid), moment_ms, commit.bucket)
            _, reply = await asyncio.gather(noted, self._run(commit))
        else:
            reply = await self._run(commit)
        if reply[0] == b"trouble":
            _, words, reply = reply
            sid = reply[1].decode() if is_sid(reply[1].decode()) else commit.sid
            if sid:
                self.note_trouble(commit.service_sid, sid, words)
        return await self._checked(commit, reply)

    async def _checked(self, commit: Commit, reply: Reply) -> Reply:
        """The reply, unless it is a refusal or another bucket has the object."""
        match reply[0]:
            case b"moved":
                return await self._elsewhere(commit, reply[1].decode())
            case b"absent":
                # The script removed an expired object whose name is a pointer in another bucket.
                if orphan := reply[1].decode():
                    at = ObjectAddress(commit.service_sid, commit.type, orphan)
                    await self._names.forget(at, commit.sid)
                raise absent(commit.type, commit.sid or commit.name)
            case b"ended":
                raise sid_ended(commit.sid, reply[1].decode())
            case b"apart":
                raise operations.StepRepeated
            case b"reused":
                raise operations.reused()
            case b"forbidden":
                raise forbidden()
            case b"mismatch":
                newest = state_of(commit.type, reply) if len(reply) > 1 else None
                raise mismatch(commit.type, commit.if_match, newest)
        sid, name = sid_and_name(reply)
        # The fingerprint does not cover the address: the id was used for another object.
        if reply[0] == b"repeated" and not _is_addressed(commit, sid, name):
            raise operations.reused()
        if commit.verb == "remove" and is_away(name, sid):
            at = ObjectAddress(commit.service_sid, commit.type, name or "")
            await self._names.forget(at, sid)
        return reply

    async def _elsewhere(self, commit: Commit, pointer: str) -> Reply:
        """Carry out a commit whose name is a pointer: the object lives in another bucket."""
        at = ObjectAddress(commit.service_sid, commit.type, commit.name)
        if commit.verb not in ("create", "create_as"):
            # On a Cluster the operation id stays claimed for the bucket of the name. A repetition
            # has the same name, so it passes that claim and is led here too.
            try:
                return await self._apply(replace(commit, sid=sid_of(pointer)))
            except Refusal as refusal:
                if refusal.code is codes_of(commit.type).absent:
                    raise absent(commit.type, commit.name) from None
                raise
        author = commit.author
        found = await self._names.fetch(at, pointer, author.identity, author.needs)
        if found[0] == b"forbidden":
            raise forbidden()
        if found[0] == b"ok":
            found[0] = b"exists"
            return found
        # The pointer leads to no object. A claim that is still young may become one.
        if not await self._names.release(at, pointer):
            raise name_taken(commit.type, commit.name)
        # The name is free now, unless another creation was quicker: the script decides.
        return await self._apply(commit)

    async def _note_due(self, due: str, moment_ms: int, bucket: str) -> None:
        """Put a bucket on the index of due buckets, so that the sweeper looks at it in time.

        A failure is ignored: it says nothing about the commit, and the sweeper's inspections find
        the bucket.
        """
        command = ("ZADD", due, "LT", moment_ms, bucket)
        with suppress(Refusal):
            try:
                await self._redis.execute(*command)
            except Unanswered:
                await self._redis.reconnected(due)
                await self._redis.execute(*command)

    async def _run(self, commit: Commit) -> Reply:
        if self._traces is None:
            return await self._settlement.run(commit)
        with self._traces.commit(commit.verb, commit.sid or commit.name) as trace:
            return await self._settlement.run(replace(commit, trace=trace))


def _is_addressed(commit: Commit, sid: str, name: str | None) -> bool:
    """True if the object of a repeated answer is the one that this commit addresses."""
    if commit.verb == "create":
        return name == (commit.name or None)
    return sid == commit.sid if commit.sid else name == commit.name
