"""Whether what expires does so in time, and whether the run put anything to the test."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from .evidence import Evidence
from .faults import COMMAND
from .findings import Check, Finding
from .records import Connected, Created, Kind, Missing, Opened, Outcome, Removed, Updated

__all__ = ["check_effect", "check_expiry"]

CLOCK_TOLERANCE = 0.25
"""Seconds by which the clocks of the server and of Redis may differ."""

TOLD_WITHIN = 3.0
"""Seconds after its expiry within which a subscriber that stayed connected is told.

The promise is one second; the rest is for a machine that is busy with the run itself.
"""


def check_expiry(evidence: Evidence) -> Check:
    """What lives for so long lives neither shorter nor longer."""
    expiring = [created for created in evidence.created.values() if created.kind is Kind.EXPIRING]
    return Check.of(
        "expiry",
        "What expires was there until then, and gone after",
        len(expiring),
        "documents",
        chain.from_iterable(_untimely(evidence, created) for created in expiring),
    )


def check_effect(evidence: Evidence) -> Check:
    """A run in which nothing happened proves nothing."""
    return Check.of(
        "effect",
        "The run put all of this to the test",
        len(evidence.wires) + len(evidence.faults),
        "clients and faults",
        _untested(evidence),
    )


def _untimely(evidence: Evidence, created: Created) -> Iterator[Finding]:
    earliest, latest = _span_of_expiry(evidence, created)
    for read in chain(evidence.reads, evidence.final.values()):
        if read.document == created.document:
            if read.revision is None and read.at < earliest - CLOCK_TOLERANCE:
                yield _early(created, None, read.at, earliest)
            if latest is not None and read.began > latest + CLOCK_TOLERANCE:
                if read.revision is not None:
                    yield _late(created, None, read.at, latest)
    for client in evidence.wires:
        yield from _told_untimely(evidence, created, client, earliest, latest)


def _told_untimely(
    evidence: Evidence, created: Created, client: str, earliest: float, latest: float | None
) -> Iterator[Finding]:
    seen = evidence.seen.get((created.document, client), [])
    for each in seen:
        if isinstance(each, Removed | Missing) and each.at < earliest - CLOCK_TOLERANCE:
            yield _early(created, client, each.at, earliest)
    if latest is None or any(fault.fault == COMMAND for fault in evidence.faults):
        return
    opened = [each.at for each in seen if isinstance(each, Opened)]
    told = [each.at for each in seen if isinstance(each, Removed | Missing)]
    if not opened or not _stood(evidence, client, opened[-1], latest + TOLD_WITHIN):
        return
    if opened[-1] < latest and not (told and told[0] <= latest + TOLD_WITHIN):
        yield _late(created, client, told[0] if told else None, latest)


def _span_of_expiry(evidence: Evidence, created: Created) -> tuple[float, float | None]:
    """The earliest and the latest moment at which it can expire; the latter None if unknown.

    The life is counted from a moment between question and answer of the write that set it.
    """
    assert created.ttl is not None
    earliest, latest = created.began + created.ttl, created.at + created.ttl
    for write in evidence.writes[created.document]:
        ttl = write.invoked.ttl
        if ttl is None or write.outcome is Outcome.REFUSED:
            continue
        if write.outcome is Outcome.UNKNOWN or write.answered is None:
            return earliest, None
        earliest = max(earliest, write.invoked.at + ttl)
        latest = max(latest, write.answered.at + ttl)
    return earliest, latest


def _stood(evidence: Evidence, client: str, since: float, until: float) -> bool:
    """True if a client was connected, and free of faults, all that time."""
    ended = evidence.ended.at if evidence.ended else 0.0
    changed = any(since < each.at < until for each in evidence.connections[client])
    hit = any(
        fault.client == client and fault.at < until and fault.at + fault.seconds > since
        for fault in evidence.faults
    )
    return until < ended and not changed and not hit


def _untested(evidence: Evidence) -> Iterator[Finding]:
    if evidence.ended is None:
        yield Finding(text="the history breaks off")
    for kind in Kind:
        documents = [each.document for each in evidence.created.values() if each.kind is kind]
        if not any(evidence.acknowledged(document) for document in documents):
            yield Finding(text=f"no write to a document of the kind {kind} was acknowledged")
    for client in evidence.wires:
        if not any(
            isinstance(each, Updated)
            for (_, of), seen in evidence.seen.items()
            if of == client
            for each in seen
        ):
            yield Finding(client=client, text="it never heard of a change")
        last = evidence.connections[client][-1:]
        if not (last and isinstance(last[0], Connected)):
            yield Finding(client=client, text="it had no connection at the end")
    for fault in evidence.faults:
        if fault.failed:
            yield Finding(at=fault.at, text=f"a command failed: {fault.detail}")


def _early(created: Created, client: str | None, at: float, earliest: float) -> Finding:
    return Finding(
        document=created.document,
        client=client,
        at=at,
        text=f"it was gone {earliest - at:.2f} s before its expiry",
    )


def _late(created: Created, client: str | None, at: float | None, latest: float) -> Finding:
    if client is None:
        text = f"it was there {(at or 0.0) - latest:.2f} s after its expiry"
    elif at is None:
        text = "its expiry was not told"
    else:
        text = f"its expiry was told {at - latest:.2f} s late"
    return Finding(document=created.document, client=client, at=at, text=text)
