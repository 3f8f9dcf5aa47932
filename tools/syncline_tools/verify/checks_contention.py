"""Whether conditions, operation ids and turns hold where clients contend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from statistics import median, quantiles

from syncline_protocol.errors import Code

from .calm import Calm
from .commits import Commits
from .evidence import Evidence, Write
from .findings import Check, Finding
from .losses import Losses
from .records import Kind, Opened, Outcome, Repeated, Updated

__all__ = ["LEAST_WRITES", "TURN_TOLERANCE", "check_conditions", "check_repeats", "check_turns"]

TURN_TOLERANCE = 0.25
"""Seconds by which the median of plain writes may be longer where others lose conditional writes.

The promise is some 10 ms; a server that lets them wait for the losers needs seconds.
"""

LEAST_WRITES = 10
"""Writes of each sort that are compared, at least; fewer show nothing."""


def check_conditions(evidence: Evidence) -> Check:
    """A write on a condition follows the revision that it named, and no other."""
    losses = Losses.of(evidence)
    conditional = [
        write
        for document in evidence.created
        for write in evidence.acknowledged(document)
        if write.invoked.if_match is not None and write.revision is not None
    ]
    return Check.of(
        "conditions",
        "Conditional writes were applied to the state that they named",
        examined=len(conditional),
        unit="conditional writes",
        findings=chain.from_iterable(
            _against_condition(evidence, losses, document) for document in evidence.created
        ),
    )


def check_repeats(evidence: Evidence) -> Check:
    """A write that is sent again is answered as the first time, and not applied."""
    writes = {write.invoked.write: write for each in evidence.writes.values() for write in each}
    return Check.of(
        "repeats",
        "A repeated write had the first one's answer",
        examined=len(evidence.repeats),
        unit="repetitions",
        findings=chain.from_iterable(
            _applied_again(writes[again.write], again)
            for again in evidence.repeats
            if again.write in writes
        ),
    )


def check_turns(evidence: Evidence) -> Check:
    """Plain writes and increments do not wait for those who lose conditional writes."""
    contended, others = _plain_delays(evidence)
    enough = min(len(contended), len(others)) >= LEAST_WRITES
    end = evidence.ended.at if evidence.ended else 0.0
    is_doubt = Calm(evidence).is_starved(0.0, end)
    return Check.of(
        "turns",
        "Plain writes did not wait for writers that lose",
        examined=len(contended) if enough else 0,
        unit="plain writes",
        findings=(replace(each, is_doubt=is_doubt) for each in _delayed(contended, others))
        if enough
        else (),
    )


def _against_condition(evidence: Evidence, losses: Losses, document: str) -> Iterator[Finding]:
    commits = Commits.of(evidence, document)
    for write in evidence.acknowledged(document):
        named = write.invoked.if_match
        if named is None or write.revision is None:
            continue
        between = [
            revision
            for revision in commits.between(named, write.revision)
            if not _may_be_lost(evidence, losses, write, revision)
        ]
        if between:
            yield Finding(
                document=document,
                client=write.invoked.client,
                at=write.invoked.at,
                text=f"its condition was revision {named}, and {between[-1]} had been written "
                f"when it was applied as {write.revision}",
            )


def _may_be_lost(evidence: Evidence, losses: Losses, write: Write, revision: int) -> bool:
    """True of a revision that was never acknowledged, and that a failover may have lost before
    the write came: the condition then found the state before it. The event of the write says
    otherwise where it names this revision, or a later one, as the one before."""
    assert write.answered is not None
    document = write.invoked.document
    if any(each.revision == revision for each in evidence.acknowledged(document)):
        return False
    seen_at = write.invoked.at
    for client in evidence.wires:
        for each in evidence.seen.get((document, client), ()):
            if isinstance(each, Opened | Updated) and each.revision == revision:
                seen_at = min(seen_at, each.at)
            if isinstance(each, Updated) and each.revision == write.revision:
                if (each.previous or 0) >= revision:
                    return False
    return losses.possible(seen_at, write.answered.at)


def _applied_again(first: Write, again: Repeated) -> Iterator[Finding]:
    if again.code == Code.REVISION_MISMATCH:
        text = f"write {again.write} was sent again, and refused for its condition"
    elif None not in (first.revision, again.revision) and first.revision != again.revision:
        text = (
            f"write {again.write} had revision {first.revision}, and {again.revision} when it "
            "was sent again"
        )
    else:
        return
    yield Finding(document=again.document, client=again.client, at=again.at, text=text)


def _plain_delays(evidence: Evidence) -> tuple[list[float], list[float]]:
    """Seconds that plain writes took of undisturbed clients: to contended documents, to others."""
    calm = Calm(evidence)
    contended: list[float] = []
    others: list[float] = []
    for document, created in evidence.created.items():
        delays = contended if created.kind is Kind.CONTENDED else others
        for write in evidence.writes[document]:
            invoked, answered = write.invoked, write.answered
            if (
                invoked.do in ("set", "patch")
                and invoked.if_match is None
                and evidence.wires.get(invoked.client) in ("native", "rest")
                and answered is not None
                and write.outcome is Outcome.ACKNOWLEDGED
                and calm.undisturbed(invoked.client, invoked.at, answered.at)
            ):
                delays.append(answered.at - invoked.at)
    return contended, others


def _delayed(contended: list[float], others: list[float]) -> Iterator[Finding]:
    slow, usual = median(contended), median(others)
    if slow > usual + TURN_TOLERANCE:
        yield Finding(
            text=f"half of the plain writes took more than {slow:.3f} s where others lose "
            f"conditional writes, and {usual:.3f} s elsewhere"
        )
    slow, usual = quantiles(contended, n=10)[-1], quantiles(others, n=10)[-1]
    if slow > usual + 4 * TURN_TOLERANCE:
        yield Finding(
            text=f"a tenth of the plain writes took more than {slow:.3f} s where others lose "
            f"conditional writes, and {usual:.3f} s elsewhere"
        )
