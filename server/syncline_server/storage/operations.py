"""Operation ids (`op`, `Idempotency-Key`): what is kept of each, so that a repetition is known from
another request with the same id.

On one server the record of an id is a key of its service, whichever object the first request wrote:
document.lua finds it in the same step, so an id that is used for anything else is always refused.
On a Cluster a script reaches only the keys of its own slot. There the record is a key of the
object's bucket, and a claim says which bucket that is; it lies where the id alone says, and is made
before the commit. A process that dies between the two leaves a claim that only a repetition of the
same request can go on with, or one that writes another object of that bucket.
"""

from __future__ import annotations

from hashlib import blake2b

from syncline_protocol import jsondata
from syncline_protocol.commands import Increment, MergePatch, OperationsPatch, Patch
from syncline_protocol.errors import Code, Refusal

from . import keys
from .redis.client import Redis
from .redis.shard import Unanswered
from .scripts import CLAIM

__all__ = ["claim", "fingerprint", "operation_id", "patch_fingerprint", "reused"]

FINGERPRINT_BYTES = 8
"""Enough against accidents; who looks for two requests with one fingerprint harms only himself."""


def operation_id(who: str, op: str | None) -> str:
    """What names an operation of an identity; "" for none."""
    # The length keeps apart the identity "a:b" with "c" and "a" with "b:c".
    return "" if op is None else f"{len(who)}:{who}:{op}"


def fingerprint(verb: str, data: bytes | None, ttl: int | None, if_match: int | None) -> str:
    """Tells a request from another one for the same object.

    `data` is compact JSON; the order of its members counts.
    """
    content = b"%b\n%b" % (f"{verb}\n{ttl}\n{if_match}".encode(), data or b"")
    return blake2b(content, digest_size=FINGERPRINT_BYTES).hexdigest()


def patch_fingerprint(command: Patch) -> str:
    """That of a patch, whatever it makes of the data. Raises `INVALID_JSON`, as `compact`."""
    match command.body:
        case MergePatch(merge=value):
            verb = "merge"
        case OperationsPatch(operations=value):
            verb = "operations"
        case Increment(by=value):
            verb = "increment"
    body = jsondata.compact(value, "The patch")
    return fingerprint(verb, body, command.ttl, command.if_match)


def reused() -> Refusal:
    """The id was used for another request."""
    return Refusal(
        Code.CONFLICT,
        "The operation id (op, Idempotency-Key) was used for another request: for another object, "
        "or with another verb, body, Ttl or If-Match. Nothing was changed. Each request takes an "
        "id of its own; only a repetition of the same request takes it again.",
    )


async def claim(redis: Redis, service_sid: str, operation: str, bucket: str, memory: int) -> None:
    """Bind an operation to the bucket of the object that it writes, for `memory` ms.

    Raises:
        Refusal: `CONFLICT` where it is bound to another one; `UNAVAILABLE`.
    """
    tag = keys.claim_tag(service_sid, operation)
    try:
        try:
            claimed = await redis.run(CLAIM, tag, operation, bucket, memory)
        except Unanswered:
            await redis.reconnected(tag)
            claimed = await redis.run(CLAIM, tag, operation, bucket, memory)
    except Unanswered:
        # Only the claim may have been made, and a repetition of the request makes the same one.
        raise Refusal(
            Code.UNAVAILABLE, "The store went away; nothing was changed. Try again."
        ) from None
    if not claimed:
        raise reused()
