"""SIDs: two letters for the kind, then 32 hexadecimal digits.

The first two digits of a document's SID are its *bucket*: the part of its service in which it is
stored. A unique name hashes to a bucket too, so a SID and a name both lead to the Redis keys
without a look-up.
"""

from __future__ import annotations

import re
import zlib

__all__ = [
    "BUCKETS",
    "SID_ENTROPY_BYTES",
    "bucket_of_name",
    "bucket_of_sid",
    "is_document_sid",
    "is_service_sid",
    "is_sid",
    "make_document_sid",
]

BUCKETS = 256
"""Number of buckets in one service."""

SID_ENTROPY_BYTES = 15
"""Number of random bytes in a document's SID, after the bucket."""

# A unique name of this shape is refused (error 54302), so a path segment is never ambiguous.
_SID = re.compile(r"[A-Z]{2}[a-f0-9]{32}", re.ASCII)
_DOCUMENT_SID = re.compile(r"ET[a-f0-9]{32}", re.ASCII)
_SERVICE_SID = re.compile(r"IS[a-f0-9]{32}", re.ASCII)


def is_sid(text: str) -> bool:
    """True if `text` has the shape of a SID of any kind."""
    return _SID.fullmatch(text) is not None


def is_document_sid(text: str) -> bool:
    """True if `text` has the shape of a document's SID."""
    return _DOCUMENT_SID.fullmatch(text) is not None


def is_service_sid(text: str) -> bool:
    """True if `text` has the shape of a service's SID."""
    return _SERVICE_SID.fullmatch(text) is not None


def bucket_of_name(name: str) -> int:
    """Return the bucket (0 to 255) of a document with this unique name."""
    return zlib.crc32(name.encode()) % BUCKETS


def bucket_of_sid(sid: str) -> int:
    """Return the bucket in a document's SID; `sid` must have the shape of a SID."""
    return int(sid[2:4], 16)


def make_document_sid(bucket: int, entropy: bytes) -> str:
    """Make the SID of a new document in `bucket` from `SID_ENTROPY_BYTES` unpredictable bytes."""
    if len(entropy) != SID_ENTROPY_BYTES:
        raise ValueError(f"entropy must be {SID_ENTROPY_BYTES} bytes, not {len(entropy)}")
    return f"ET{bucket:02x}{entropy.hex()}"
