"""SIDs: two letters for the kind, then 32 hexadecimal digits.

The first two digits of an object's SID are its *bucket*: the part of its service in which it is
stored. A unique name hashes to a bucket too, so a SID and a name both lead to the Redis keys
without a look-up.
"""

from __future__ import annotations

import re
import zlib

from .objects import ObjectType

__all__ = [
    "BUCKETS",
    "SID_ENTROPY_BYTES",
    "bucket_of_name",
    "bucket_of_sid",
    "is_service_sid",
    "is_sid",
    "is_sid_of",
    "make_sid",
    "object_key",
]

BUCKETS = 256
"""Number of buckets in one service."""

SID_ENTROPY_BYTES = 15
"""Number of random bytes in an object's SID, after the bucket."""

# A unique name of this shape is refused (error 54302), so a path segment is never ambiguous.
_SID = re.compile(r"[A-Z]{2}[a-f0-9]{32}", re.ASCII)
_SERVICE_SID = re.compile(r"IS[a-f0-9]{32}", re.ASCII)


def is_sid(text: str) -> bool:
    """True if `text` has the shape of a SID of any kind."""
    return _SID.fullmatch(text) is not None


def is_sid_of(type_: ObjectType, text: str) -> bool:
    """True if `text` has the shape of the SID of an object of this type."""
    return text.startswith(type_.prefix) and is_sid(text)


def object_key(type_: ObjectType, address: str) -> str:
    """Identifies an object within its service: the SID, or the type and the unique name.

    A name alone does not, because objects of several types may have the same.
    """
    return address if is_sid_of(type_, address) else f"{type_.prefix}/{address}"


def is_service_sid(text: str) -> bool:
    """True if `text` has the shape of a service's SID."""
    return _SERVICE_SID.fullmatch(text) is not None


def bucket_of_name(name: str) -> int:
    """Return the bucket (0 to 255) of an object with this unique name."""
    return zlib.crc32(name.encode()) % BUCKETS


def bucket_of_sid(sid: str) -> int:
    """Return the bucket in an object's SID; `sid` must have the shape of a SID."""
    return int(sid[2:4], 16)


def make_sid(type_: ObjectType, bucket: int, entropy: bytes) -> str:
    """Make the SID of a new object in `bucket` from `SID_ENTROPY_BYTES` unpredictable bytes."""
    if len(entropy) != SID_ENTROPY_BYTES:
        raise ValueError(f"entropy must be {SID_ENTROPY_BYTES} bytes, not {len(entropy)}")
    return f"{type_.prefix}{bucket:02x}{entropy.hex()}"
