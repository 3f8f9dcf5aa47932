"""The names of all keys and channels in Redis; `Redis` puts `--redis-prefix` before each.

All keys of one bucket begin with its hash tag, so that a Cluster keeps them in one slot. The
scripts make the same names from the tag.

    {IS…:3f}:document:ET…   hash   header of one object, by the name of its type: n(ame) r(evision)
                                   c(reated) u(pdated) (e)x(pires) (created) b(y) w(riter) m(ark of
                                   the last write) k(ept: its SID was chosen); a document's d(ata)
    {IS…:3f}:documents      zset   every SID of a type, for listing in the order of SIDs
    {IS…:3f}:names          hash   unique name of a document -> SID, or pointer to one elsewhere
                                   (name.lua); `names:maps` and so on for the other types
    {IS…:3f}:ended:ET…      string last revision and name of a removed object whose SID was chosen
                                   and may be used again, for a bounded time
    {IS…:3f}:expiries       zset   SID of any type, or SID/key of an item, by the moment of its
                                   expiry, in ms; also of an item whose collection is gone
    {IS…:3f}:permissions:ET… hash  identity -> its rights for the object, as bits (`Right`)
    {IS…:3f}:identities:ET… zset   identities with a permission, for listing in their order
    {IS…:3f}:operation:…    string the first answer to an operation id, and the fingerprint of its
                                   request, for a bounded time; on a Cluster only
    {IS…:3f}:claim:…        string bucket that an operation id writes to, for a bounded time; on a
                                   Cluster only
    {IS…:3f}:last_ended     string when an object of this bucket last ended, in ms, for a bounded
                                   time
    {IS…:3f}:void:…         string mark of a write that must no longer take effect, for a bounded
                                   time
    {IS…:3f}:garbage        set    what removed objects left to free: `garbage:` and each member
                                   name a key (garbage.lua); of a deleted service `{IS…}:garbage`
    {IS…:3f}:webhooks       stream webhooks that wait; `…:dropped` counts those that were dropped
    {IS…:3f}:endpoints:…    set    endpoints of an identity that are connected
    {IS…:3f}:event:ET…      channel of an object's events; in Redis with the database and the id of
                                   the data set before the SID (`wire_channel`)

    {IS…}:operation:…       string as in a bucket; not on a Cluster
    {IS…}:filled            hash   buckets that may hold objects; `all` once none can be missing
    {IS…}:due               zset   buckets by the earliest known time at which an object expires
    {IS…}:webhooks:lease    string process that delivers the service's webhooks, for a bounded time
    {IS…}:webhooks:parked   hash   parked webhooks, JSON by id; `:index` is a zset of the ids
    {syncline}:data-set     hash   id of the data set, and the account that owns it
    {syncline}:services     hash   SID of a service -> its record, JSON
    {syncline}:names        hash   unique name of a service -> SID
    {syncline}:index        zset   SIDs of services, for listing in their order
    {syncline}:version      string random; replaced at each change to a service
    {syncline}:periodic     string process that does the periodic work, for a bounded time
    {syncline}:deletions    hash   SID of a service that is being deleted -> its progress, JSON
    {syncline}:deletion:IS… string process that carries out the deletion, for a bounded time
    {syncline}:garbage      set    buckets (IS…:3f) that may have garbage
    {syncline}:reclaimer    string process that frees garbage, for a bounded time
    {syncline}:webhooks     zset   buckets (IS…:3f) that may hold webhooks, by when noted, in µs
    {syncline}:inspection   string exists while the last search for such buckets is recent
    {syncline}:endpoints    set    processes that have endpoints; with a process' name a set of its
                                   endpoints, JSON; with `:alive` too, a string while it runs
    {syncline}:servers      hash   process of a server -> its name and its last sign of life, JSON
    {syncline}:keys         hash   SID of an API key -> its record, JSON, the secret encrypted
    {syncline}:revoked      zset   SIDs of revoked API keys, by the time of revocation, in ms
    {syncline}:keys-version string random; replaced at each change to an API key
    {syncline}:sessions     hash   SID of a console session -> its record, JSON, with a digest of
                                   its secret
    {syncline}:sessions-version string random; replaced at each change to a console session
    {syncline}:master       string fingerprint of the master key that encrypts those secrets
"""

from __future__ import annotations

from dataclasses import dataclass, field

from syncline_protocol.objects import DOCUMENT, ObjectType, type_of_sid
from syncline_protocol.sids import bucket_of_name, bucket_of_sid, is_sid, is_sid_of

__all__ = [
    "ALL_SERVICES",
    "API_KEYS",
    "API_KEY_VERSION",
    "DATA_SET",
    "DELETIONS",
    "GARBAGE",
    "MASTER",
    "PERIODIC_LEASE",
    "RECLAIMER",
    "REVOKED",
    "SERVERS",
    "SERVICES",
    "SESSIONS",
    "SESSION_VERSION",
    "SERVICE_INDEX",
    "SERVICE_NAMES",
    "SERVICE_VERSION",
    "ObjectAddress",
    "bucket_tag",
    "channel",
    "claim_tag",
    "deletion_lease",
    "due",
    "expiries",
    "filled",
    "garbage",
    "identities",
    "listing",
    "names",
    "names_part",
    "permissions",
    "server_channel",
    "service_tag",
    "sid_of_channel",
    "tag_of",
    "void",
    "webhook_lease",
    "webhook_queue",
    "webhooks_parked",
]

ALL_SERVICES = "{syncline}"
"""The hash tag that begins every key of the data set as a whole: services, API keys and others."""

DATA_SET = f"{ALL_SERVICES}:data-set"
SERVICES = f"{ALL_SERVICES}:services"
SERVICE_NAMES = f"{ALL_SERVICES}:names"
SERVICE_INDEX = f"{ALL_SERVICES}:index"
SERVICE_VERSION = f"{ALL_SERVICES}:version"
PERIODIC_LEASE = f"{ALL_SERVICES}:periodic"
DELETIONS = f"{ALL_SERVICES}:deletions"
WEBHOOKS = f"{ALL_SERVICES}:webhooks"
WEBHOOK_INSPECTION = f"{ALL_SERVICES}:inspection"
GARBAGE = f"{ALL_SERVICES}:garbage"
RECLAIMER = f"{ALL_SERVICES}:reclaimer"
ENDPOINTS = f"{ALL_SERVICES}:endpoints"
SERVERS = f"{ALL_SERVICES}:servers"

API_KEYS = f"{ALL_SERVICES}:keys"
REVOKED = f"{ALL_SERVICES}:revoked"
API_KEY_VERSION = f"{ALL_SERVICES}:keys-version"
SESSIONS = f"{ALL_SERVICES}:sessions"
SESSION_VERSION = f"{ALL_SERVICES}:sessions-version"
MASTER = f"{ALL_SERVICES}:master"


# Not frozen: creating a frozen one takes several times as long.
@dataclass(slots=True)
class ObjectAddress:
    """Leads to an object: its service, its type, and its SID or unique name.

    Attributes:
        sid: the SID; "" if the address is a name.
        name: the unique name; "" if the address is a SID.
    """

    service_sid: str
    type: ObjectType
    address: str
    sid: str = field(init=False)
    name: str = field(init=False)

    def __post_init__(self) -> None:
        is_sid = is_sid_of(self.type, self.address)
        self.sid, self.name = (self.address, "") if is_sid else ("", self.address)

    @property
    def lookup(self) -> dict[str, str | None]:
        """The arguments by which a script finds the object.

        Exactly one of them is given: a name may be "", which no object has.
        """
        return {"sid": self.sid or None, "name": None if self.sid else self.name}

    @property
    def tag(self) -> str:
        """The hash tag of the bucket of the SID or name."""
        bucket = bucket_of_sid(self.sid) if self.sid else bucket_of_name(self.name)
        return bucket_tag(self.service_sid, bucket)

    @classmethod
    def of_sid(cls, service_sid: str, sid: str) -> ObjectAddress:
        """The address of the object with this SID, of whichever type."""
        return cls(service_sid, type_of_sid(sid), sid)


def bucket_tag(service_sid: str, bucket: int) -> str:
    """The hash tag that begins every key of a bucket."""
    return f"{{{service_sid}:{bucket:02x}}}"


def service_tag(service_sid: str) -> str:
    """The hash tag that begins every key of a service as a whole."""
    return f"{{{service_sid}}}"


def claim_tag(service_sid: str, operation: str) -> str:
    """The hash tag of the bucket that holds the claim of an operation id."""
    return bucket_tag(service_sid, bucket_of_name(operation))


def tag_of(service_sid: str, address: str) -> str:
    """The hash tag of the bucket of this SID or unique name."""
    by_sid = is_sid(address)
    return bucket_tag(service_sid, bucket_of_sid(address) if by_sid else bucket_of_name(address))


def channel(service_sid: str, sid: str) -> str:
    """The channel of an object's events; the scripts make the same name."""
    return f"{tag_of(service_sid, sid)}:event:{sid}"


def server_channel(name: str) -> str:
    """A channel for messages between servers, in a bucket that no service has.

    Its tag begins as those of services do, so that the documented rights include it.
    """
    return channel(f"IS{0:032x}", name)


def void(tag: str, mark: str) -> str:
    """The key that keeps the write with this mark from taking effect; the scripts check it."""
    return f"{tag}:void:{mark}"


def sid_of_channel(name: str) -> str:
    """The SID of the object whose events a channel carries."""
    return name.rpartition(":")[2]


def listing(tag: str, type_: ObjectType) -> str:
    """The index of all objects of a type in a bucket; the scripts make the same name."""
    return f"{tag}:{type_.plural}"


def names(tag: str, type_: ObjectType) -> str:
    """The unique names of a type's objects in a bucket; the scripts make the same name."""
    return f"{tag}:{names_part(type_)}"


def names_part(type_: ObjectType) -> str:
    """What follows the bucket's tag in the key of a type's unique names."""
    # Documents keep the key that they had before there were other types.
    return "names" if type_ is DOCUMENT else f"names:{type_.plural}"


def expiries(tag: str) -> str:
    """The index of a bucket's objects by the time of their expiry."""
    return f"{tag}:expiries"


def due(service_sid: str) -> str:
    """The index of due buckets: those with objects that expire, by the earliest known time."""
    return f"{{{service_sid}}}:due"


def filled(service_sid: str) -> str:
    """The index of the buckets that may hold objects; the scripts make the same name."""
    return f"{service_tag(service_sid)}:filled"


def garbage(tag: str) -> str:
    """What removed objects left to free in a bucket; the scripts make the same name."""
    return f"{tag}:garbage"


def permissions(service_sid: str, sid: str) -> str:
    """The rights of each identity for an object; the scripts make the same name."""
    return f"{tag_of(service_sid, sid)}:permissions:{sid}"


def identities(service_sid: str, sid: str) -> str:
    """The index of the identities that have a permission for an object."""
    return f"{tag_of(service_sid, sid)}:identities:{sid}"


def deletion_lease(service_sid: str) -> str:
    """The lease of the process that carries out the deletion of a service."""
    return f"{ALL_SERVICES}:deletion:{service_sid}"


def webhook_queue(tag: str) -> str:
    """The queue of a bucket's webhooks; the scripts make the same name."""
    return f"{tag}:webhooks"


def webhook_lease(service_sid: str) -> str:
    """The lease of the process that delivers the webhooks of a service."""
    return f"{{{service_sid}}}:webhooks:lease"


def webhooks_parked(service_sid: str) -> str:
    """The parked webhooks of a service; with `:index`, their ids in order."""
    return f"{{{service_sid}}}:webhooks:parked"


def endpoints(process: str) -> str:
    """The endpoints that are connected to a process."""
    return f"{ENDPOINTS}:{process}"
