"""Operation ids (`op`, `Idempotency-Key`): a request repeated under its id takes effect once.

Redis keeps a record of each id with a fingerprint of its request. Another request with the same id
is refused.

On a single server the record is a key of the service, whichever object the first request wrote.
A script reads it in the same step as it writes, so every other use of the id is refused.

On a Cluster a script reaches only the keys of its own slot, so the record is a key of the object's
bucket. A claim says which bucket that is: its own bucket follows from the id alone, and it is made
before the commit. If a process dies between the claim and the commit, the claim stays: the id can
then only be used by a repetition of the request, or by a request for another object of that bucket.
"""

from __future__ import annotations

import asyncio
from hashlib import blake2b
from typing import TYPE_CHECKING

from syncline_protocol import jsondata
from syncline_protocol.documents import Increment, MergePatch, OperationsPatch, PatchBody
from syncline_protocol.errors import Code, Refusal

from . import keys
from .errors import Unanswered, Unavailable
from .redis.client import Redis
from .scripts import CLAIM, by_name

if TYPE_CHECKING:
    from .commit import Commit

__all__ = [
    "StepRepeated",
    "claim_all",
    "fingerprint",
    "operation_id",
    "patch_fingerprint",
    "reused",
]

FINGERPRINT_BYTES = 8
"""Enough against accidents. A client that constructs a collision only harms its own requests."""


def operation_id(who: str, op: str | None) -> str:
    """Name of an identity's operation in Redis' keys; "" for none."""
    # The length distinguishes identity "a:b" with id "c" from identity "a" with id "b:c".
    return "" if op is None else f"{len(who)}:{who}:{op}"


def fingerprint(verb: str, data: bytes | None, ttl: int | None, if_match: int | None) -> str:
    """Digest that distinguishes a request from other requests for the same object.

    `data` is compact JSON. The same members in another order give another fingerprint.
    """
    content = b"%b\n%b" % (f"{verb}\n{ttl}\n{if_match}".encode(), data or b"")
    return blake2b(content, digest_size=FINGERPRINT_BYTES).hexdigest()


def patch_fingerprint(
    patch: PatchBody, ttl: int | None, if_match: int | None, target: str = ""
) -> str:
    """Fingerprint of a patch itself, not of its result. Raises `INVALID_JSON`, as `compact`.

    `target` distinguishes what is patched within the object.
    """
    match patch:
        case MergePatch(merge=value):
            verb = "merge"
        case OperationsPatch(operations=value):
            verb = "operations"
        case Increment(by=value):
            verb = "increment"
    body = jsondata.compact(value, "The patch")
    return fingerprint(f"{verb}{target}", body, ttl, if_match)


def reused() -> Refusal:
    """The error for an operation id that was used for another request."""
    return Refusal(
        Code.CONFLICT,
        "The operation id (op, Idempotency-Key) was used for another request: for another object, "
        "or with another verb, body, Ttl or If-Match. Nothing was changed. Each request needs "
        "its own id; only a repetition of the same request uses the same id.",
    )


class StepRepeated(Exception):
    """One of several steps was committed before, so the script has committed none of them."""


async def claim_all(redis: Redis, commit: Commit, memory: int) -> None:
    """Bind each operation id of a commit to its bucket, for `memory` ms; on a Cluster only.

    Raises:
        StepRepeated: the commit has several steps, and the operation id of one is bound elsewhere.
        Refusal: `CONFLICT` if the commit has one step, and its operation id is bound elsewhere;
            `UNAVAILABLE`.
    """
    own = (commit.author.identity, commit.op)
    pairs = [own, *((each.author.identity, each.op) for each in commit.earlier)]
    ids = [operation_id(who, op) for who, op in pairs if op is not None]
    try:
        await asyncio.gather(*(_claim(redis, commit, each, memory) for each in ids))
    except Refusal as refusal:
        if commit.earlier and refusal.code is Code.CONFLICT:
            raise StepRepeated from None
        raise


async def _claim(redis: Redis, commit: Commit, operation: str, memory: int) -> None:
    tag = keys.claim_tag(commit.at.service_sid, operation)
    arguments = by_name({"operation": operation, "bucket": commit.bucket, "ms": memory})
    try:
        claimed = await redis.ask_twice(tag, lambda: redis.run(CLAIM, tag, *arguments))
    except Unanswered:
        # At most the claim was made. That is harmless: a repetition of the request makes it again.
        raise Unavailable("The store became unavailable; nothing was changed. Try again.") from None
    if not claimed:
        raise reused()
