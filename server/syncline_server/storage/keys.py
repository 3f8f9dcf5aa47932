"""The names of everything that is kept in Redis.

All keys of one bucket begin with its hash tag, so that a cluster keeps them in one slot (the
scripts append the rest):

    {IS…:3f}:document:ET…   hash   one document: n(ame) r(evision) d(ata) c(reated) u(pdated)
                                   (e)x(pires) (created) b(y) w(riter) m(ark of the last write)
    {IS…:3f}:names          hash   unique name -> SID
    {IS…:3f}:documents      zset   every SID, for listing in the order of SIDs
    {IS…:3f}:expiries       zset   SID by the moment of its expiry, in ms
    {IS…:3f}:permissions:ET… hash  identity -> what it may do with the document, as bits (`Right`)
    {IS…:3f}:identities:ET… zset   the same identities, for listing in their order
    {IS…:3f}:operation:…    string the first answer to an operation id, for a bounded time
    {IS…:3f}:void:…         string marks a write that must not take effect any more, likewise
    {IS…:3f}:event:ET…      channel

    {IS…}:due               zset   buckets by a moment at which something in them expires
    {syncline}:services     hash   SID of a service -> its record, JSON
    {syncline}:names        hash   unique name of a service -> SID
    {syncline}:index        zset   SIDs of services, for listing in their order
    {syncline}:version      string random, another one after each change to a service
    {syncline}:deletions    hash   SID of a service that is being deleted -> how far that is, JSON
    {syncline}:deletion:IS… string who goes on with that deletion, for a bounded time
"""

from __future__ import annotations

from syncline_protocol.sids import bucket_of_name, bucket_of_sid, is_document_sid

__all__ = [
    "ALL_SERVICES",
    "DELETIONS",
    "SERVICES",
    "SERVICE_INDEX",
    "SERVICE_VERSION",
    "bucket_tag",
    "channel",
    "deletion_lease",
    "due",
    "expiries",
    "identities",
    "listing",
    "permissions",
    "sid_of_channel",
    "tag_of",
    "void",
]

ALL_SERVICES = "{syncline}"
"""The hash tag that begins every key about services as such."""

SERVICES = f"{ALL_SERVICES}:services"
SERVICE_INDEX = f"{ALL_SERVICES}:index"
SERVICE_VERSION = f"{ALL_SERVICES}:version"
DELETIONS = f"{ALL_SERVICES}:deletions"


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


def void(tag: str, mark: str) -> str:
    """What keeps the write with this mark from taking effect; commit.lua looks at the same."""
    return f"{tag}:void:{mark}"


def sid_of_channel(name: str) -> str:
    """The document whose events are published there."""
    return name.rpartition(":")[2]


def listing(tag: str) -> str:
    """The index of every document in a bucket."""
    return f"{tag}:documents"


def expiries(tag: str) -> str:
    """The index of the documents in a bucket that expire."""
    return f"{tag}:expiries"


def due(service_sid: str) -> str:
    """The index of the buckets in which something expires, by the earliest moment known."""
    return f"{{{service_sid}}}:due"


def permissions(service_sid: str, sid: str) -> str:
    """What each identity may do with a document; the scripts make the same."""
    return f"{tag_of(service_sid, sid)}:permissions:{sid}"


def identities(service_sid: str, sid: str) -> str:
    """The index of the identities that have a permission for a document."""
    return f"{tag_of(service_sid, sid)}:identities:{sid}"


def deletion_lease(service_sid: str) -> str:
    """Who goes on with the deletion of a service."""
    return f"{ALL_SERVICES}:deletion:{service_sid}"
