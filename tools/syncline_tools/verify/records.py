"""What a history is made of: one record for each thing that was done, seen or inflicted.

`at` of each is in seconds since the run began, on the clock of the machine that verifies. `content`
is a short digest of a document's data (`content_of`), so that a history stays small. `connection`
counts a client's connections from 1.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum

import orjson

from syncline import JsonObject

__all__ = [
    "Answered",
    "Clocked",
    "Connected",
    "Created",
    "Ended",
    "Injected",
    "Invoked",
    "Joined",
    "Kind",
    "Lost",
    "Missing",
    "Opened",
    "Outcome",
    "Read",
    "Record",
    "Removed",
    "Repeated",
    "Stalled",
    "Started",
    "Updated",
    "content_of",
]

DIGEST_BYTES = 6
"""Enough to distinguish the states of one document."""


class Kind(StrEnum):
    """What a document is used for."""

    REGISTER = "register"
    """Set on the condition of its revision; its data names every write that it is built on."""

    COUNTER = "counter"
    """Incremented by the server."""

    TALLY = "tally"
    """Incremented by `mutate` of the Python client."""

    EXPIRING = "expiring"
    """Lives for some seconds."""

    REMOVED = "removed"
    """Is removed by a client."""

    QUIET = "quiet"
    """Written a few times, then left alone: a lost last event stays visible."""

    CONTENDED = "contended"
    """Written plainly, while other clients lose conditional writes to it on purpose."""


class Outcome(StrEnum):
    """What a client knows of its write."""

    ACKNOWLEDGED = "acknowledged"
    REFUSED = "refused"
    """Not applied, and will not be."""

    UNKNOWN = "unknown"
    """Applied or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Something that happened."""

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Started(Record):
    """The run began; `date` is UTC, ISO 8601."""

    version: str
    url: str
    date: str
    seed: int
    duration: float
    faults: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined(Record):
    """There is a client; `wire` is how it is connected."""

    client: str
    wire: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Created(Record):
    """A document was created, past all faults: asked for at `began`, answered `at`.

    Attributes:
        ttl: in seconds; None where it does not matter.
        followers: the clients that are to subscribe to it.
    """

    document: str
    kind: Kind
    began: float
    revision: int
    content: str
    ttl: int | None
    followers: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Invoked(Record):
    """A client began a write.

    Attributes:
        write: its number; register data names it.
        connection: None while there is none.
        content: None where only the server knows it.
    """

    write: int
    client: str
    document: str
    do: str
    connection: int | None
    content: str | None = None
    if_match: int | None = None
    ttl: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(Record):
    """A client knows all that it will ever know of a write.

    Attributes:
        connection: of the answer; None without one.
        revision, content: None if the answer does not say.
        code: of a refusal.
        repeated: True if the server said that it had applied it before.
    """

    write: int
    outcome: Outcome
    connection: int | None = None
    revision: int | None = None
    content: str | None = None
    code: int | None = None
    repeated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Record):
    """A client subscribed, or did so again after a break, and received the state."""

    client: str
    document: str
    connection: int
    revision: int
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing(Record):
    """A client asked to subscribe and learned that there is no such document."""

    client: str
    document: str
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Updated(Record):
    """A subscriber received a change.

    Attributes:
        previous: the revision before it, where the wire names that.
    """

    client: str
    document: str
    connection: int
    revision: int
    content: str
    previous: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Record):
    """A subscriber received the end.

    Attributes:
        revision: None where a client found it out by itself.
        previous: the revision before it, where the wire names that.
    """

    client: str
    document: str
    connection: int
    revision: int | None
    expired: bool | None
    previous: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeated(Record):
    """A client sent an acknowledged write again, with its operation id, and got this answer.

    Attributes:
        write: the number of the first one.
        revision: None if the answer has none.
        code: of a refusal.
    """

    write: int
    client: str
    document: str
    revision: int | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stalled(Record):
    """The verifying process itself did nothing for so many seconds, until `at`."""

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocked(Record):
    """What the clocks showed at a creation, in seconds since 1970.

    Attributes:
        server: the `Date` header of the reply; None without one.
        store: when the document was created, by the store's clock.
        here: this machine's clock.
    """

    server: float | None
    store: float
    here: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Record):
    """A client has a connection."""

    client: str
    connection: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost(Record):
    """A client has no connection; `final` if it will make none."""

    client: str
    reason: str
    final: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected(Record):
    """A fault was inflicted.

    Attributes:
        client: whose link it hit; None for all.
        fault: its kind, or `command`.
        seconds: how long it lasts; of a command, how long it took.
        detail: for people.
        failed: True of a command that did not succeed.
    """

    client: str | None
    fault: str
    seconds: float
    detail: str
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Read(Record):
    """A document was read past all faults: asked for at `began`, answered `at`.

    Attributes:
        final: True after the last write.
        revision, content, data: None if there is no such document; `data` only where `final`.
    """

    document: str
    began: float
    final: bool
    revision: int | None
    content: str | None
    data: JsonObject | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended(Record):
    """The run is over; `healed` is when the last fault was, in the same seconds as `at`."""

    healed: float


def content_of(data: JsonObject) -> str:
    """The same for the same data, whatever the order of its members."""
    text = orjson.dumps(data, option=orjson.OPT_SORT_KEYS)
    return hashlib.blake2b(text, digest_size=DIGEST_BYTES).hexdigest()
