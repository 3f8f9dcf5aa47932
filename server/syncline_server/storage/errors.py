"""Errors of the store: what every method of `storage` raises if Redis does not carry out a command.

    StorageError
    ├── Unavailable         also a `Refusal` (20503): the store is away, busy, or cannot write now.
    │   │                   Nothing was changed, unless the sentence says otherwise. Try again.
    │   ├── Denied          the Redis user lacks a right
    │   └── Unanswered      the reply was lost: the command may or may not have been carried out
    ├── ReplyError          Redis refused the command itself; a retry would not help
    └── ConnectionBroken    a connection ended; `ShardConnection` turns it into `Unanswered`

A request for an object that does not exist, or that the caller may not read, is another `Refusal`:
Redis has answered, so that is no `StorageError`.
"""

from __future__ import annotations

from syncline_protocol.errors import Code, Refusal

__all__ = [
    "ConnectionBroken",
    "Denied",
    "ReplyError",
    "StorageError",
    "Unanswered",
    "Unavailable",
]


class StorageError(Exception):
    """Redis did not do what it was asked."""


class Unavailable(Refusal, StorageError):
    """The store cannot do it now. The message says whether something may have been changed."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.UNAVAILABLE, message)


class Denied(Unavailable):
    """Redis refused a command because its user lacks a right; nothing was changed."""

    def __init__(self) -> None:
        super().__init__(
            "The store refuses this server, whose Redis user lacks rights; nothing was changed."
        )


class Unanswered(Unavailable):
    """A command was sent and its reply was lost: it may or may not have been carried out."""


class ReplyError(StorageError):
    """An error reply of Redis; its text begins with the error's kind (`WRONGTYPE …`).

    Replies that say that Redis is away or cannot write, as `OOM` and `READONLY`, become
    `Unavailable` in `ShardConnection`, and those about rights `Denied`.
    """


class ConnectionBroken(StorageError):
    """The connection ended. A command without a reply may or may not have been carried out."""
