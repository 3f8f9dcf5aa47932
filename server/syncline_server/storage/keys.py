"""The names of everything that is kept in Redis; `Redis` puts `--redis-prefix` before each.

All keys of one bucket begin with its hash tag, so that a cluster keeps them in one slot (the
scripts append the rest):

    {IS…:3f}:document:ET…   hash   one document: n(ame) r(evision) d(ata) c(reated) u(pdated)
                                   (e)x(pires) (created) b(y) w(riter) m(ark of the last write)
                                   k(ept: its SID was chosen)
    {IS…:3f}:names          hash   unique name -> SID, or pointer to one elsewhere (name.lua)
    {IS…:3f}:ended:ET…      string last revision and name of a document whose SID was chosen and may
                                   come again, for a bounded time
    {IS…:3f}:documents      zset   every SID, for listing in the order of SIDs
    {IS…:3f}:expiries       zset   SID by the moment of its expiry, in ms
    {IS…:3f}:permissions:ET… hash  identity -> what it may do with the document, as bits (`Right`)
    {IS…:3f}:identities:ET… zset   the same identities, for listing in their order
    {IS…:3f}:operation:…    string the first answer to an operation id, and the fingerprint of its
                                   request, for a bounded time; on a Cluster
    {IS…:3f}:claim:…        string bucket that an operation id writes to, likewise; on a Cluster
    {IS…:3f}:void:…         string marks a write that must not take effect any more, likewise
    {IS…:3f}:webhooks       stream webhooks that wait, and as `…:dropped` how many gave way
    {IS…:3f}:endpoints:…    set    endpoints of an identity that are connected
    {IS…:3f}:event:ET…      channel; in Redis with the database and the id of the data set before
                                   the SID (`wire_channel`)

    {IS…}:operation:…       string as in a bucket; anywhere but on a Cluster
    {IS…}:filled            hash   buckets that may hold documents; `all` once none can be missing
    {IS…}:due               zset   buckets by a moment at which something in them expires
    {IS…}:webhooks:lease    string who delivers the webhooks of the service, for a bounded time
    {IS…}:webhooks:parked   hash   webhooks that were given up, JSON by id; with `:index` the ids,
                                   zset
    {syncline}:data-set     hash   the id of the data set, and the account whose it is
    {syncline}:services     hash   SID of a service -> its record, JSON
    {syncline}:names        hash   unique name of a service -> SID
    {syncline}:index        zset   SIDs of services, for listing in their order
    {syncline}:version      string random, another one after each change to a service
    {syncline}:deletions    hash   SID of a service that is being deleted -> how far that is, JSON
    {syncline}:deletion:IS… string who goes on with that deletion, for a bounded time
    {syncline}:webhooks     zset   buckets (IS…:3f) that may hold webhooks, by when noted, in µs
    {syncline}:inspection   string marks that these were looked for lately
    {syncline}:endpoints    set    processes that hold endpoints; with the name of one a set of
                                   these, JSON, and with `:alive` a string while it lives
    {syncline}:keys         hash   SID of an API key -> its record, JSON, the secret encrypted
    {syncline}:revoked      zset   SIDs of revoked API keys, by the moment of that, in ms
    {syncline}:keys-version string random, another one after each change to an API key
    {syncline}:master       string tells which master key those secrets are encrypted under
"""

from __future__ import annotations

from syncline_protocol.sids import bucket_of_name, bucket_of_sid, is_document_sid

__all__ = [
    "ALL_SERVICES",
    "API_KEYS",
    "API_KEY_VERSION",
    "DATA_SET",
    "DELETIONS",
    "MASTER",
    "REVOKED",
    "SERVICES",
    "SERVICE_INDEX",
    "SERVICE_NAMES",
    "SERVICE_VERSION",
    "bucket_tag",
    "channel",
    "claim_tag",
    "deletion_lease",
    "due",
    "expiries",
    "filled",
    "identities",
    "listing",
    "names",
    "permissions",
    "service_tag",
    "sid_of_channel",
    "tag_of",
    "void",
    "webhook_lease",
    "webhook_queue",
    "webhooks_parked",
]

ALL_SERVICES = "{syncline}"
"""The hash tag that begins every key about services as such, and about API keys."""

DATA_SET = f"{ALL_SERVICES}:data-set"
SERVICES = f"{ALL_SERVICES}:services"
SERVICE_NAMES = f"{ALL_SERVICES}:names"
SERVICE_INDEX = f"{ALL_SERVICES}:index"
SERVICE_VERSION = f"{ALL_SERVICES}:version"
DELETIONS = f"{ALL_SERVICES}:deletions"
WEBHOOKS = f"{ALL_SERVICES}:webhooks"
WEBHOOK_INSPECTION = f"{ALL_SERVICES}:inspection"
ENDPOINTS = f"{ALL_SERVICES}:endpoints"

API_KEYS = f"{ALL_SERVICES}:keys"
REVOKED = f"{ALL_SERVICES}:revoked"
API_KEY_VERSION = f"{ALL_SERVICES}:keys-version"
MASTER = f"{ALL_SERVICES}:master"


def bucket_tag(service_sid: str, bucket: int) -> str:
    """The hash tag that begins every key of a bucket."""
    return f"{{{service_sid}:{bucket:02x}}}"


def service_tag(service_sid: str) -> str:
    """The hash tag that begins every key of a service as a whole."""
    return f"{{{service_sid}}}"


def claim_tag(service_sid: str, operation: str) -> str:
    """The tag of the bucket that holds the claim of an operation id."""
    return bucket_tag(service_sid, bucket_of_name(operation))


def tag_of(service_sid: str, address: str) -> str:
    """The tag of the bucket that holds the document with this SID or unique name."""
    by_sid = is_document_sid(address)
    return bucket_tag(service_sid, bucket_of_sid(address) if by_sid else bucket_of_name(address))


def channel(service_sid: str, sid: str) -> str:
    """The channel on which a document's events are published; document.lua makes the same."""
    return f"{tag_of(service_sid, sid)}:event:{sid}"


def void(tag: str, mark: str) -> str:
    """What keeps the write with this mark from taking effect; document.lua looks at the same."""
    return f"{tag}:void:{mark}"


def sid_of_channel(name: str) -> str:
    """The document whose events are published there."""
    return name.rpartition(":")[2]


def listing(tag: str) -> str:
    """The index of every document in a bucket."""
    return f"{tag}:documents"


def names(tag: str) -> str:
    """The unique names of a bucket; the scripts make the same."""
    return f"{tag}:names"


def expiries(tag: str) -> str:
    """The index of the documents in a bucket that expire."""
    return f"{tag}:expiries"


def due(service_sid: str) -> str:
    """The index of the buckets in which something expires, by the earliest moment known."""
    return f"{{{service_sid}}}:due"


def filled(service_sid: str) -> str:
    """The index of the buckets that may hold documents; document.lua makes the same."""
    return f"{service_tag(service_sid)}:filled"


def permissions(service_sid: str, sid: str) -> str:
    """What each identity may do with a document; the scripts make the same."""
    return f"{tag_of(service_sid, sid)}:permissions:{sid}"


def identities(service_sid: str, sid: str) -> str:
    """The index of the identities that have a permission for a document."""
    return f"{tag_of(service_sid, sid)}:identities:{sid}"


def deletion_lease(service_sid: str) -> str:
    """Who goes on with the deletion of a service."""
    return f"{ALL_SERVICES}:deletion:{service_sid}"


def webhook_queue(tag: str) -> str:
    """The webhooks of a bucket that wait; the scripts make the same."""
    return f"{tag}:webhooks"


def webhook_lease(service_sid: str) -> str:
    """Who delivers the webhooks of a service."""
    return f"{{{service_sid}}}:webhooks:lease"


def webhooks_parked(service_sid: str) -> str:
    """The webhooks of a service that were given up; with `:index`, their ids in order."""
    return f"{{{service_sid}}}:webhooks:parked"


def endpoints(process: str) -> str:
    """The endpoints that a process holds."""
    return f"{ENDPOINTS}:{process}"
