"""Documents in Redis: every read and every commit of a document."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from syncline_protocol import revisions
from syncline_protocol.documents import Document
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.objects import DOCUMENT
from syncline_protocol.sids import (
    BUCKETS,
    SID_ENTROPY_BYTES,
    bucket_of_name,
    bucket_of_sid,
    is_sid_of,
    make_sid,
)

from . import keys, operations
from .author import Author
from .away_names import AwayNames, is_away, sid_of
from .commit import REPLY_LENGTH, Commit, NewDocument, Step, StepRepeated, bits, claim_all
from .errors import Unanswered
from .filled_buckets import FilledBuckets
from .redis.client import Redis
from .results import Written, absent, forbidden, mismatch, name_taken, sid_ended
from .rights import Right
from .scripts import COMMIT, FETCH
from .webhooks import Notes, WebhookPolicy

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Documents"]

logger = logging.getLogger("syncline.documents")

READER = Author(identity="")
"""Author of `Documents.advance`: the script keeps the identity of the last writer."""

READERS_AT_ONCE = 500
"""Identities whose rights one command reads, at most."""


class Documents:
    """The documents of all services.

    Every method raises `Refusal` with `UNAVAILABLE` while Redis is away. `address` is a SID or a
    unique name, `op` an operation id or None.

    Attributes:
        on_trouble: called with the SIDs of the service and the document when a write was applied
            but Redis refused what follows it, perhaps the event.
    """

    def __init__(self, redis: Redis, operation_memory: int, traces: Traces | None = None) -> None:
        """
        Args:
            operation_memory: seconds for which an operation id is remembered.
        """
        self._redis = redis
        self._traces = traces
        self._operation_ms = operation_memory * 1000
        self._notes = Notes(redis)
        self._names = AwayNames(redis)
        self._filled = FilledBuckets(redis)
        self.on_trouble: Callable[[str, str], None] = lambda service_sid, sid: None

    def note_trouble(self, service_sid: str, sid: str, words: bytes) -> None:
        """Report that a write was applied, but Redis refused what follows it, as `words` say."""
        logger.error("%s was written, but a later step failed: %s", sid, words.decode())
        self._redis.inspect(keys.tag_of(service_sid, sid))
        self.on_trouble(service_sid, sid)

    async def get(
        self, service_sid: str, address: str, who: str = "", needs: Right | None = None
    ) -> Document | None:
        """The newest state; None if no such document exists or it is past its expiry.

        Args:
            needs: rights that the identity `who` must have, else `ACCESS_FORBIDDEN` is raised; None
                where permissions are not checked.
        """
        sid, name = _sid_and_name(address)
        reply = await self._fetch(keys.tag_of(service_sid, address), sid, name, who, needs)
        if reply[0] == b"moved":
            reply = await self._names.follow(service_sid, name, reply[1].decode(), who, needs)
        if reply[0] == b"forbidden":
            raise forbidden()
        return _document(reply) if reply[0] == b"ok" else None

    async def readers(self, service_sid: str, sid: str, identities: Sequence[str]) -> set[str]:
        """The identities among these that have the right to read a document."""
        found = set()
        for start in range(0, len(identities), READERS_AT_ONCE):
            asked = identities[start : start + READERS_AT_ONCE]
            stored = await self._redis.execute("HMGET", keys.permissions(service_sid, sid), *asked)
            found |= {who for who, rights in zip(asked, stored, strict=True) if _may_read(rights)}
        return found

    async def create(
        self, service_sid: str, author: Author, new: NewDocument
    ) -> tuple[Written, bool]:
        """Create a document, or find the one that has the name.

        Creating needs no rights; finding needs those of the author. Where permissions are checked,
        the creator gets all rights.

        Returns:
            the document, and True if it was created.
        """
        bucket = _bucket_of_new(new.name, new.op)
        # On a Cluster document.lua cannot reach the index of buckets. Write it before the commit: a
        # bucket without documents may be on it, a bucket with documents must be.
        if not self._redis.engine.is_whole:
            await self._filled.note(service_sid, f"{bucket:02x}")
        sid = make_sid(DOCUMENT, bucket, os.urandom(SID_ENTROPY_BYTES))
        status, written = await self._create(service_sid, "create", sid, author, new)
        return written, status != b"exists"

    async def create_as(
        self, service_sid: str, sid: str, author: Author, new: NewDocument, *, is_away: bool = False
    ) -> tuple[bytes, Written]:
        """Create a document under a SID that the caller chose (`ChosenSids`).

        Args:
            is_away: True if the name belongs to another bucket, where the caller has claimed it.

        Returns:
            the script's status and the document. Status `exists` means that a document with the
            SID or the name was there already, and comes with it.

        Raises:
            Refusal: `CONFLICT` if a document with another name had that SID lately.
        """
        if not self._redis.engine.is_whole:
            await self._filled.note(service_sid, f"{bucket_of_sid(sid):02x}")
        verb = "create_away" if is_away else "create_as"
        return await self._create(service_sid, verb, sid, author, new)

    async def set(
        self,
        service_sid: str,
        address: str,
        author: Author,
        *,
        data: bytes | None = None,
        ttl: int | None = None,
        if_match: int | None = None,
        op: str | None = None,
        fingerprint: str | None = None,
    ) -> Written:
        """Replace the data, the expiry or both; None leaves either as it is.

        Args:
            ttl: seconds until the document expires; 0 for never.
            if_match: the revision that the document must be at; None for any.
            fingerprint: of the request, if that was not a `set` (a patch); None computes it from
                these arguments.

        Raises:
            Refusal: no such document exists, or it is at another revision than `if_match`.
        """
        sid, name = _sid_and_name(address)
        _, written = await self._commit(
            service_sid,
            "update",
            sid,
            author=author,
            name=name,
            data=data or b"",
            ttl=ttl,
            if_match=if_match,
            op=op,
            fingerprint=fingerprint,
        )
        return written

    async def set_in_steps(
        self, service_sid: str, sid: str, steps: Sequence[Step], if_match: int
    ) -> list[Written]:
        """Replace the data several times in one commit: readers only see the last state.

        Each step gets a revision and an answer of its own. The last step's author decides which
        rights are checked and which webhook is queued; where permissions are checked, all steps
        must have the same identity.

        Returns:
            the answer to each step.

        Raises:
            Refusal: as `set`.
            StepRepeated: one step was committed before; nothing was committed now. Commit the
                steps one by one.
        """
        *earlier, last = steps
        _, written = await self._commit(
            service_sid,
            "update",
            sid,
            author=last.author,
            data=last.data,
            if_match=if_match,
            op=last.op,
            earlier=earlier,
            fingerprint=last.fingerprint,
        )
        given = revisions.steps(written.document.revision, len(steps))
        return [
            replace(
                written,
                document=replace(
                    written.document,
                    revision=revision,
                    data=step.data,
                    updated_by=step.author.identity,
                ),
            )
            for revision, step in zip(given, steps, strict=True)
        ]

    async def remove(
        self,
        service_sid: str,
        address: str,
        author: Author,
        *,
        if_match: int | None = None,
        op: str | None = None,
    ) -> Written:
        """Remove a document; raises as `set`."""
        sid, name = _sid_and_name(address)
        _, written = await self._commit(
            service_sid, "remove", sid, author=author, name=name, if_match=if_match, op=op
        )
        return written

    async def advance(self, service_sid: str, sid: str, held: int) -> Document:
        """Give a document a revision beyond `held`, which a client received and a failover lost.

        Changes nothing if the document's revision is beyond `held` already. Raises as `set`.
        """
        _, written = await self._commit(service_sid, "advance", sid, if_match=held, author=READER)
        return written.document

    async def expire(
        self, service_sid: str, sid: str, webhooks: WebhookPolicy | None = None
    ) -> None:
        """Remove a document if it is past its expiry, and notify its subscribers."""
        try:
            author = Author(identity="", webhooks=webhooks)
            await self._commit(service_sid, "expire", sid, author=author)
        except Refusal as refusal:
            if refusal.code.status != 404:
                raise

    async def _create(
        self, service_sid: str, verb: str, sid: str, author: Author, new: NewDocument
    ) -> tuple[bytes, Written]:
        return await self._commit(
            service_sid,
            verb,
            sid,
            author=author,
            name=new.name or "",
            data=new.data,
            ttl=new.ttl,
            op=new.op,
        )

    async def _commit(
        self,
        service_sid: str,
        verb: str,
        sid: str,
        *,
        author: Author,
        name: str = "",
        data: bytes = b"",
        ttl: int | None = None,
        if_match: int | None = None,
        op: str | None = None,
        earlier: Sequence[Step] = (),
        fingerprint: str | None = None,
    ) -> tuple[bytes, Written]:
        tag = keys.tag_of(service_sid, sid or name)
        if fingerprint is None:
            fingerprint = "" if op is None else operations.fingerprint(verb, data, ttl, if_match)
        # First part of the keys of operation ids (see `operations`).
        home = self._redis.prefixed(
            keys.service_tag(service_sid) if self._redis.engine.is_whole else tag
        )
        commit = Commit(
            tag=tag,
            verb=verb,
            sid=sid,
            author=author,
            name=name,
            if_match=if_match,
            data=data,
            ttl=ttl,
            op=op,
            earlier=earlier,
            fingerprint=fingerprint,
            operations=home,
        )
        if not self._redis.engine.is_whole:
            await claim_all(self._redis, service_sid, commit, self._operation_ms)
        return await self._apply(service_sid, commit)

    async def _apply(self, service_sid: str, commit: Commit) -> tuple[bytes, Written]:
        verb, sid, name, needs = commit.verb, commit.sid, commit.name, commit.author.needs
        # Read before the commit is sent: its revision is not below this time.
        commit.not_before_ms = self._redis.now_ms(commit.tag)
        if commit.author.webhooks is not None:
            self._notes.note(commit.tag[1:-1])
        if commit.ttl:
            due = keys.due(service_sid)
            # Sent before the commit. If this process dies in between, the sweeper finds nothing due
            # in the bucket; sent after it, the sweeper would miss the document's expiry.
            moment_ms = self._redis.now_ms(commit.tag) + commit.ttl * 1000
            noted = self._note(due, moment_ms, commit.bucket)
            _, reply = await asyncio.gather(noted, self._run(commit))
        else:
            reply = await self._run(commit)
        status = reply[0]
        if status == b"moved":
            return await self._elsewhere(service_sid, commit, reply[1].decode())
        if status == b"absent":
            # The script dropped an expired document whose name is a pointer in another bucket.
            if orphan := reply[1].decode():
                await self._names.forget(service_sid, orphan, sid)
            raise absent(sid or name)
        if status == b"ended":
            raise sid_ended(sid, reply[1].decode())
        if status == b"apart":
            raise StepRepeated
        if status == b"reused":
            raise operations.reused()
        if status == b"forbidden":
            raise forbidden()
        if status == b"mismatch":
            raise mismatch(commit.if_match, _document(reply) if len(reply) > 1 else None)
        document = _document(reply)
        if len(reply) > REPLY_LENGTH:
            self.note_trouble(service_sid, document.sid, reply[-1])
        # The fingerprint does not cover the address: the id was used for another object.
        if status == b"repeated" and not _is_addressed(document, verb, sid, name):
            raise operations.reused()
        if verb == "remove" and is_away(document.unique_name, document.sid):
            await self._names.forget(service_sid, document.unique_name or "", document.sid)
        if document.data and needs is not None and verb == "update":
            # The right to write does not include the right to read: return only the caller's data.
            document = replace(document, data=b"")
        if not document.data and commit.data:
            document = replace(document, data=commit.data)
        return status, Written(document, status == b"repeated")

    async def _elsewhere(
        self, service_sid: str, commit: Commit, pointer: str
    ) -> tuple[bytes, Written]:
        """Carry out a commit whose name is a pointer: the document lives in another bucket."""
        sid, name = sid_of(pointer), commit.name
        if commit.verb not in ("create", "create_as"):
            tag = keys.tag_of(service_sid, sid)
            # On a Cluster the operation id stays claimed for the bucket of the name. A repetition
            # has the same name, so it passes that claim and is led here too.
            home = commit.operations if self._redis.engine.is_whole else self._redis.prefixed(tag)
            moved = replace(commit, tag=tag, sid=sid, operations=home)
            try:
                return await self._apply(service_sid, moved)
            except Refusal as refusal:
                raise absent(name) if refusal.code is Code.DOCUMENT_NOT_FOUND else refusal from None
        author = commit.author
        found = await self._names.follow(service_sid, name, pointer, author.identity, author.needs)
        if found[0] == b"forbidden":
            raise forbidden()
        if found[0] == b"ok":
            return b"exists", Written(_document(found), repeated=False)
        # The pointer leads to no document. A claim that is still young may become one.
        if not await self._names.release(service_sid, name, pointer):
            raise name_taken(name)
        # The name is free now, unless another creation was quicker: the script decides.
        return await self._apply(service_sid, commit)

    async def _note(self, due: str, moment_ms: int, bucket: str) -> None:
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

    async def _run(self, commit: Commit) -> list[Any]:
        if self._traces is None:
            return await self._run_once(commit)
        with self._traces.commit(commit.verb, commit.sid or commit.name) as trace:
            return await self._run_once(replace(commit, trace=trace))

    async def _run_once(self, commit: Commit) -> list[Any]:
        arguments = commit.arguments(self._operation_ms, self._redis.publishing)
        try:
            reply: list[Any] = await self._redis.commit(COMMIT, commit.tag, *arguments)
        except Unanswered as unanswered:
            try:
                return await self._settle(commit, unanswered)
            except Refusal as refusal:
                # The retry failed too: report the first attempt's error, because that write may
                # have been applied.
                raise unanswered if refusal.code is Code.UNAVAILABLE else refusal from None
        return reply

    async def _settle(self, commit: Commit, unanswered: Unanswered) -> list[Any]:
        """The reply of a commit whose first reply was lost, without applying it twice.

        Raises:
            Unanswered: the document does not show whether the first attempt was applied.
        """
        # Promise 1: a write that was applied is never answered with an error that says otherwise.
        # 1. Wait for a connection.
        await self._redis.reconnected(commit.tag)
        if not commit.is_repeatable:
            # 2. Void the first attempt: it may still be on its way, and could arrive after step 3.
            await self._redis.execute(
                "SET", keys.void(commit.tag, commit.mark), "", "PX", self._operation_ms
            )
            # 3. Read the document. What it shows now about the first attempt stays true.
            newest = await self._fetch(commit.tag, commit.sid, commit.name)
            if commit.was_applied(newest):
                return newest
            if not commit.cannot_have_been_applied(newest):
                raise unanswered
            commit = commit.with_new_mark()
        # 4. Repeat. With an operation id, Redis answers a second attempt as the first.
        arguments = commit.arguments(self._operation_ms, self._redis.publishing)
        reply: list[Any] = await self._redis.commit(COMMIT, commit.tag, *arguments)
        return reply

    async def _fetch(
        self, tag: str, sid: str, name: str, who: str = "", needs: Right | None = None
    ) -> list[Any]:
        reply: list[Any] = await self._redis.run(FETCH, tag, sid, name, who, bits(needs))
        return reply


def _bucket_of_new(name: str | None, op: str | None) -> int:
    if name is not None:
        return bucket_of_name(name)
    # A repetition must reach the bucket that remembers the operation id, so that decides.
    return secrets.randbelow(BUCKETS) if op is None else bucket_of_name(op)


def _may_read(stored: bytes | None) -> bool:
    return Right.READ in Right(int(stored or 0))


def _is_addressed(document: Document, verb: str, sid: str, name: str) -> bool:
    """True if the document of a repeated answer is the one that this commit addresses."""
    if verb == "create":
        return document.unique_name == (name or None)
    return document.sid == sid if sid else document.unique_name == name


def _sid_and_name(address: str) -> tuple[str, str]:
    return (address, "") if is_sid_of(DOCUMENT, address) else ("", address)


def _document(reply: list[Any]) -> Document:
    _, sid, name, revision, data, created, updated, expires, creator, writer, *_ = reply
    return Document(
        sid=sid.decode(),
        unique_name=name.decode() or None,
        revision=int(revision),
        data=data,
        created_ms=int(created),
        updated_ms=int(updated),
        expires_ms=int(expires) if expires else None,
        created_by=creator.decode(),
        updated_by=writer.decode(),
    )
