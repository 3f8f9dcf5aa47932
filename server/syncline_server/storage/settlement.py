"""Settlement of commits whose reply was lost: applied once, and answered as what they are.

When the connection breaks between a command and its reply, the commit may have been applied, may
still be on its way, or may never arrive. Promise 1: a write that was applied is never answered with
an error that says otherwise. So the commit is repeated only if it cannot take effect twice, and
answered as applied only if the object shows it. What remains is answered with `Unanswered`, which
says that nobody knows.
"""

from __future__ import annotations

from collections.abc import Awaitable
from random import getrandbits
from typing import TYPE_CHECKING

from syncline_protocol import revisions
from syncline_protocol.errors import Code, Refusal

from . import keys
from .errors import Unanswered
from .redis.client import Redis
from .replies import Reply

if TYPE_CHECKING:
    from .commit import Commit

__all__ = ["Settlement", "make_mark"]

MARK_BITS = 64
"""Random bits in the mark of a write."""


def make_mark() -> str:
    """A random name for one write. The scripts store it with the object."""
    # Not a secret, so a fast generator will do.
    return f"{getrandbits(MARK_BITS):x}"


class Settlement:
    """Runs commits, and settles those whose reply is lost."""

    def __init__(self, redis: Redis, operation_ms: int) -> None:
        self._redis = redis
        self._operation_ms = operation_ms

    async def run(self, commit: Commit) -> Reply:
        """The reply to a commit, which is applied once at most.

        Raises:
            Unanswered: the commit may have been applied.
            Refusal: nothing was changed.
        """
        try:
            return await self._send(commit)
        except Unanswered as unanswered:
            try:
                return await self._settle(commit, unanswered)
            except Refusal as refusal:
                # The retry failed too: report the first attempt's error, because that write may
                # have been applied.
                raise unanswered if refusal.code is Code.UNAVAILABLE else refusal from None

    def _send(self, commit: Commit) -> Awaitable[Reply]:
        arguments = commit.arguments(self._redis, self._operation_ms)
        return self._redis.commit(commit.script, commit.tag, *arguments)

    async def _settle(self, commit: Commit, unanswered: Unanswered) -> Reply:
        # 1. Wait for a connection.
        await self._redis.reconnected(commit.tag)
        if not commit.is_repeatable:
            # 2. Void the first attempt: it may still be on its way, and could arrive after step 3.
            await self._redis.execute(
                "SET", keys.void(commit.tag, commit.mark), "", "PX", self._operation_ms
            )
            # 3. Read the object. What it shows now about the first attempt stays true.
            newest: Reply = await self._redis.run(
                commit.reading_script, commit.tag, *commit.read_arguments()
            )
            if _was_applied(commit, newest):
                return newest
            if not _cannot_have_been_applied(commit, newest):
                raise unanswered
            # The void key stops the old mark.
            commit = commit.with_new_mark()
        # 4. Repeat. With an operation id, Redis answers a second attempt as the first.
        return await self._send(commit)


def _was_applied(commit: Commit, newest: Reply) -> bool:
    """True if the object, as it was read, shows that this write was applied."""
    status: bytes = newest[0]
    if status != b"ok":
        return status == b"applied"
    # The mark is only there while no later write has replaced it. A SID is made for one "create",
    # so the object's existence proves that one even after later writes.
    return newest[10] == commit.mark.encode() or (
        commit.verb == "create" and newest[1] == commit.at.sid.encode()
    )


def _cannot_have_been_applied(commit: Commit, newest: Reply) -> bool:
    """True if the object shows that this write was not applied.

    `_was_applied` must be False. If both are False, nobody can say: another write came after.
    """
    status: bytes = newest[0]
    if status in (b"unapplied", b"unknown"):
        return status == b"unapplied"
    if status != b"ok":
        return _cannot_have_ended(commit, newest)
    if commit.verb == "publish":
        return False  # a message leaves nothing to read
    # Revisions only move forward, and this write's would be above `if_match` and at least
    # `not_before_ms`. An object that is still below has not seen it.
    revision = int(newest[3])
    return revision == commit.if_match or revision < revisions.lowest_at(commit.not_before_ms)


def _cannot_have_ended(commit: Commit, newest: Reply) -> bool:
    """True if this write was not applied to an object that has ended since."""
    if commit.verb in ("expire", "advance"):
        return True  # a second time it changes nothing
    if commit.verb == "remove":
        return False
    # The latest end of an object in the bucket: perhaps of this write's object.
    ended = newest[1] if newest[0] == b"absent" else b""
    return not ended or int(ended) < commit.not_before_ms
