"""Whether what expires does so in time, clocks agree, and the run put everything to the test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain

from .calm import Calm
from .evidence import Evidence, Seen
from .faults import COMMAND
from .findings import Check, Finding
from .items.effect import untested_items
from .records import Connected, Created, Kind, Missing, Opened, Outcome, Removed, Updated

__all__ = ["CLOCKS_APART", "check_clocks", "check_commands", "check_effect", "check_expiry"]

CLOCK_TOLERANCE = 0.25
"""Seconds by which the clocks of the server and of Redis may differ."""

CLOCKS_APART = 5.0
"""Seconds by which the `Date` of a server may differ from the time of its store: a server that
knows its clock to be wrong is not ready, from 3 s on by default; both times are in whole seconds.
"""

NOTIFIED_WITHIN = 3.0
"""Seconds after its expiry, or after a fault, within which a subscriber receives it.

The promise is one second; the rest is for a machine that is busy with the run itself.
"""


def check_expiry(evidence: Evidence) -> Check:
    """What lives for so long lives neither shorter nor longer."""
    calm = Calm(evidence)
    expiring = [created for created in evidence.created.values() if created.kind is Kind.EXPIRING]
    return Check.of(
        "expiry",
        "What expires was there until then, and gone after",
        examined=len(expiring),
        unit="documents",
        findings=chain.from_iterable(_untimely(evidence, calm, created) for created in expiring),
    )


def check_clocks(evidence: Evidence) -> Check:
    """The clock of a server that takes requests is about that of its store."""
    readings = [each for each in evidence.clocks if each.server is not None]
    return Check.of(
        "clocks",
        f"The clocks of server and store agreed within {CLOCKS_APART:g} s",
        examined=len(readings),
        unit="readings",
        findings=(
            Finding(at=each.at, text=f"the server's clock was {apart:+.0f} s off the store's")
            for each in readings
            if each.server is not None and abs(apart := each.server - each.store) > CLOCKS_APART
        ),
    )


def check_commands(evidence: Evidence) -> Check:
    """A command that failed did not do what it should; this breaks no promise of the server."""
    commands = [fault for fault in evidence.faults if fault.fault == COMMAND]
    check = Check.of(
        "commands",
        "Every command succeeded",
        examined=len(commands),
        unit="commands",
        findings=(
            Finding(at=each.at, text=f"a command failed: {each.detail}")
            for each in commands
            if each.failed
        ),
    )
    return replace(check, is_promise=False)


def check_effect(evidence: Evidence, checks: Iterable[Check]) -> Check:
    """A run that put too little to the test shows nothing, good or bad; `checks` are the others."""
    check = Check.of(
        "effect",
        "The run put all of this to the test",
        examined=len(evidence.wires) + len(evidence.items.wires) + len(evidence.faults),
        unit="clients and faults",
        findings=chain(_untested(evidence), _unexamined(checks)),
    )
    return replace(check, is_promise=False)


def _untimely(evidence: Evidence, calm: Calm, created: Created) -> Iterator[Finding]:
    earliest, latest = _span_of_expiry(evidence, created)
    for read in chain(evidence.reads, evidence.final.values()):
        if read.document == created.document:
            if read.revision is None and read.at < earliest - CLOCK_TOLERANCE:
                yield _early(created, None, read.at, earliest)
            if latest is not None and read.began > latest + CLOCK_TOLERANCE:
                if read.revision is not None:
                    yield _late(created, None, read.at, latest)
    for client in evidence.wires:
        seen = evidence.seen.get((created.document, client), [])
        yield from _notified_early(created, client, seen, earliest)
        if latest is not None and any(isinstance(each, Opened) for each in seen):
            yield from _notified_late(calm, created, seen, latest)


def _notified_early(
    created: Created, client: str, seen: list[Seen], earliest: float
) -> Iterator[Finding]:
    for each in seen:
        if isinstance(each, Removed | Missing) and each.at < earliest - CLOCK_TOLERANCE:
            yield _early(created, client, each.at, earliest)


def _notified_late(
    calm: Calm, created: Created, seen: list[Seen], latest: float
) -> Iterator[Finding]:
    """A subscriber of the document receives its end in time, or once no fault disturbs it."""
    client = seen[0].client
    notified = [each.at for each in seen if isinstance(each, Removed | Missing)]
    if seen[0].at < latest and not (notified and notified[0] <= latest + NOTIFIED_WITHIN):
        due = calm.due(client, latest, NOTIFIED_WITHIN)
        if due is not None and not (notified and notified[0] <= due):
            late = _late(created, client, notified[0] if notified else None, latest)
            yield replace(late, is_doubt=calm.is_starved(latest, due))


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


def _untested(evidence: Evidence) -> Iterator[Finding]:
    if evidence.ended is None:
        yield Finding(text="the history is incomplete")
    yield from untested_items(evidence.items)
    # A run about other types has no documents, and no clients that write them.
    for kind in Kind if evidence.wires or not evidence.items.wires else ():
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
            yield Finding(client=client, text="it never received a change")
        last = evidence.connections[client][-1:]
        if not (last and isinstance(last[0], Connected)):
            yield Finding(client=client, text="it had no connection at the end")


def _unexamined(checks: Iterable[Check]) -> Iterator[Finding]:
    for check in checks:
        if not check.examined and check.name not in ("clocks", "commands"):
            yield Finding(text=f"too little happened to judge {check.name}")


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
        text = "its expiry was not reported"
    else:
        text = f"its expiry was reported {at - latest:.2f} s late"
    return Finding(document=created.document, client=client, at=at, text=text)
