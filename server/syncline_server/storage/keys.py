"""The names of everything that is kept in Redis.

All keys of one bucket begin with its hash tag, so that a cluster keeps them in one slot (the
scripts append the rest):

    {IS…:3f}:document:ET…   hash   one document: n(ame) r(evision) d(ata) c(reated) u(pdated)
                                   (e)x(pires) (created) b(y) w(riter) m(ark of the last write)
    {IS…:3f}:names          hash   unique name -> SID
    {IS…:3f}:documents      zset   every SID, for listing in the order of SIDs
    {IS…:3f}:expiries       zset   SID by the moment of its expiry, in ms
    {IS…:3f}:operation:…    string the first answer to an operation id, for a bounded time
    {IS…:3f}:event:ET…      channel

    {IS…}:due               zset   buckets by a moment at which something in them expires
    {syncline}:services     hash   SID of a service -> its record, JSON
    {syncline}:names        hash   unique name of a service -> SID
"""

from __future__ import annotations

from syncline_protocol.sids import bucket_of_name, bucket_of_sid, is_document_sid

__all__ = [
    "SERVICES",
    "SERVICE_NAMES",
    "bucket_tag",
    "channel",
    "due",
    "listing",
    "expiries",
    "tag_of",
]

SERVICES = "{syncline}:services"
SERVICE_NAMES = "{syncline}:names"


def bucket_tag(service_sid: str, bucket: int) -> str:
    """The hash tag that begins every key of a bucket."""
    return f"{{{service_sid}:{bucket:02x}}}"


def tag_of(service_sid: str, address: str) -> str:
    """The tag of the bucket that holds the document with this SID or unique name."""
    by_sid = is_document_sid(address)
    return bucket_tag(service_sid, bucket_of_sid(address) if by_sid else bucket_of_name(address))


def channel(service_sid: str, sid: str) -> str:
    """The channel on which a document's events are published; commit.lua makes the same."""
    return f"{tag_of(service_sid, sid)}:event:{sid}"


def listing(tag: str) -> str:
    """The index of every document in a bucket."""
    return f"{tag}:documents"


def expiries(tag: str) -> str:
    """The index of the documents in a bucket that expire."""
    return f"{tag}:expiries"


def due(service_sid: str) -> str:
    """The index of the buckets in which something expires, by the earliest moment known."""
    return f"{{{service_sid}}}:due"
