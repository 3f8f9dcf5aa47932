"""Carries out commits: everything around a script that no script can do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from syncline_protocol.errors import Refusal, codes_of
from syncline_protocol.sids import is_sid

from . import keys, operations
from .away_names import AwayNames, is_away, sid_of
from .commit import Commit
from .garbage import Garbage
from .keys import ObjectAddress
from .redis.client import Redis
from .replies import Reply, sid_and_name, state_of
from .results import absent, forbidden, mismatch, name_taken, sid_ended
from .scripts import OBJECT_SCRIPTS
from .settlement import Settlement
from .webhooks import BucketIndex

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Committer"]

logger = logging.getLogger("syncline.documents")


class Committer:
    """Carries out the commits of all types.

    Attributes:
        on_trouble: called with the SIDs of the service and the object when a write was applied but
            Redis refused what follows it, perhaps the event.
        webhook_buckets: the index that each commit with a webhook is added to.
    """

    def __init__(self, redis: Redis, operation_ms: int, traces: Traces | None) -> None:
        self._redis = redis
        self._operation_ms = operation_ms
        self._traces = traces
        self._settlement = Settlement(redis, operation_ms)
        self._run = self._settlement.run if traces is None else self._run_traced
        self.webhook_buckets = BucketIndex(redis)
        self._garbage = Garbage(redis)
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
        at = commit.at
        # Read before the commit is sent: its revision is not below this time.
        commit.not_before_ms = self._redis.now_ms(commit.tag)
        if commit.author.webhooks is not None:
            self.webhook_buckets.add(commit.tag[1:-1])
        if commit.ttl:
            # Sent before the commit. If this process dies in between, the sweeper finds nothing due
            # in the bucket; sent after it, the sweeper would miss the object's expiry.
            moment_ms = commit.not_before_ms + commit.ttl * 1000
            noted = self._note_due(keys.due(at.service_sid), moment_ms, commit.bucket)
            _, reply = await asyncio.gather(noted, self._run(commit))
        else:
            reply = await self._run(commit)
        if reply[0] == b"trouble":
            _, words, reply = reply
            sid = reply[1].decode() if is_sid(reply[1].decode()) else at.sid
            if sid:
                self.note_trouble(at.service_sid, sid, words)
        if reply[0] == b"moved":
            return await self._elsewhere(commit, reply[1].decode())
        if commit.verb in ("remove", "expire"):
            self._garbage.note_removal(commit.tag)
        if reply[0] != b"ok":
            await self._check(commit, reply)
        if commit.verb == "remove":
            sid, name = sid_and_name(reply)
            if is_away(name, sid):
                named = ObjectAddress(at.service_sid, at.type, name or "")
                await self._names.forget(named, sid)
        return reply

    async def _check(self, commit: Commit, reply: Reply) -> None:
        """Raise the refusal that a reply means, if it is one."""
        at = commit.at
        match reply[0]:
            case b"absent":
                # The script removed an expired object whose name is a pointer in another bucket.
                if orphan := reply[1].decode():
                    named = ObjectAddress(at.service_sid, at.type, orphan)
                    await self._names.forget(named, at.sid)
                raise absent(at.type, at.address)
            case b"ended":
                raise sid_ended(at.sid, reply[1].decode())
            case b"apart":
                raise operations.StepRepeated
            case b"reused":
                raise operations.reused()
            case b"forbidden":
                raise forbidden()
            case b"mismatch":
                newest = state_of(at.type, reply) if len(reply) > 1 else None
                raise mismatch(at.type, commit.if_match, newest)
            case b"repeated" if not _is_addressed(commit, *sid_and_name(reply)):
                # The fingerprint does not cover the address: the id was used for another object.
                raise operations.reused()

    async def _elsewhere(self, commit: Commit, pointer: str) -> Reply:
        """Carry out a commit whose name is a pointer: the object lives in another bucket."""
        service_sid, type_ = commit.at.service_sid, commit.at.type
        name = commit.name or commit.at.name
        if commit.verb not in ("create", "create_as"):
            # On a Cluster the operation id stays claimed for the bucket of the name. A repetition
            # has the same name, so it passes that claim and is led here too.
            try:
                moved = ObjectAddress(service_sid, type_, sid_of(pointer))
                return await self._apply(replace(commit, at=moved, name=name))
            except Refusal as refusal:
                if refusal.code is codes_of(type_).absent:
                    raise absent(type_, name) from None
                raise
        at, author = ObjectAddress(service_sid, type_, name), commit.author
        fetch = OBJECT_SCRIPTS[type_.name].fetch
        who, needs = author.identity, author.needs
        found = await self._names.read(fetch, at, who, needs, pointer=pointer)
        if found[0] == b"ok":
            found[0] = b"exists"
            return found
        # The pointer leads to no object. A claim that is still young may become one.
        if not await self._names.release(at, pointer):
            raise name_taken(type_, name)
        # The name is free now, unless another creation was quicker: the script decides.
        return await self._apply(commit)

    async def _note_due(self, due: str, moment_ms: int, bucket: str) -> None:
        """Put a bucket on the index of due buckets, so that the sweeper looks at it in time.

        A failure is ignored: it says nothing about the commit, and the sweeper's inspections find
        the bucket.
        """
        command = ("ZADD", due, "LT", moment_ms, bucket)
        with suppress(Refusal):
            await self._redis.ask_twice(due, lambda: self._redis.execute(*command))

    async def _run_traced(self, commit: Commit) -> Reply:
        assert self._traces is not None
        with self._traces.commit(commit.verb, commit.at.address) as trace:
            return await self._settlement.run(replace(commit, trace=trace))


def _is_addressed(commit: Commit, sid: str, name: str | None) -> bool:
    """True if the object of a repeated answer is the one that this commit addresses."""
    if commit.verb == "create":
        return name == (commit.name or None)
    return sid == commit.at.sid if commit.at.sid else name == commit.at.name
