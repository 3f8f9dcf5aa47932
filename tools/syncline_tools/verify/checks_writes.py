"""Whether what was acknowledged is there, and is there once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from itertools import accumulate, chain

from .evidence import Evidence, Write
from .findings import Check, Finding
from .records import Created, Kind, Missing, Read, Removed
from .workload import TRAIL_LIMIT

__all__ = ["check_counters", "check_kept", "check_revisions"]

REMOVAL = "removal"
"""Stands for the content of a revision that a removal has."""


def check_kept(evidence: Evidence) -> Check:
    """No acknowledged write is missing at the end."""
    return Check.of(
        "kept",
        "No acknowledged write was lost",
        examined=sum(len(evidence.acknowledged(document)) for document in evidence.created),
        unit="writes",
        findings=chain.from_iterable(
            _lost(evidence, created) for created in evidence.created.values()
        ),
    )


def check_counters(evidence: Evidence) -> Check:
    """Increments count once each."""
    counters = [
        created.document
        for created in evidence.created.values()
        if created.kind in (Kind.COUNTER, Kind.TALLY)
    ]
    return Check.of(
        "counters",
        "Counters are exact: every increment counted once",
        examined=sum(len(evidence.acknowledged(document)) for document in counters),
        unit="increments",
        findings=chain.from_iterable(_miscounted(evidence, document) for document in counters),
    )


def check_revisions(evidence: Evidence) -> Check:
    """Revisions only grow, and each names one content."""
    contents: dict[tuple[str, int], str] = {}
    findings = [
        *_reused(evidence, contents),
        *chain.from_iterable(_not_growing(evidence, document) for document in evidence.created),
    ]
    return Check.of(
        "revisions",
        "Revisions only grew, and none was used twice",
        examined=len(contents),
        unit="revisions",
        findings=findings,
    )


def _lost(evidence: Evidence, created: Created) -> Iterator[Finding]:
    document, final = created.document, evidence.final.get(created.document)
    if final is None or created.kind is Kind.EXPIRING:
        return
    removals = [w for w in evidence.writes[document] if w.invoked.do == "remove"]
    if created.kind is Kind.REMOVED and final.revision is not None:
        for write in evidence.acknowledged(document):
            if write in removals:
                yield _finding(write, "its removal was acknowledged, and it is there")
    elif final.revision is None and not removals:
        yield Finding(document=document, text="it is missing, although nobody removed it")
    if final.revision is not None:
        yield from _undone(evidence, final)
    if created.kind is Kind.REGISTER and final.data is not None:
        yield from _missing_from_trail(evidence, final)


def _undone(evidence: Evidence, final: Read) -> Iterator[Finding]:
    for write in evidence.acknowledged(final.document):
        if (write.revision or 0) > (final.revision or 0):
            yield _finding(
                write,
                f"revision {write.revision} was acknowledged, and it ended at {final.revision}",
            )


def _missing_from_trail(evidence: Evidence, final: Read) -> Iterator[Finding]:
    """Each write of a register names those before it: the last state names all, in order."""
    assert final.data is not None
    trail = final.data["trail"]
    acknowledged = sorted(
        evidence.acknowledged(final.document),
        key=lambda write: write.revision or 0,
    )
    known = {write.invoked.write for write in acknowledged}
    named = [number for number in trail if number in known]
    # What is older than the trail is long has left it.
    expected = acknowledged[-len(named) :] if len(trail) == TRAIL_LIMIT else acknowledged
    for write in expected:
        if write.invoked.write not in named:
            yield _finding(write, f"write {write.invoked.write} was acknowledged, and is missing")
    if len(set(trail)) != len(trail):
        yield Finding(document=final.document, text="a write was applied twice")
    elif sorted(named) == sorted(known) and named != [w.invoked.write for w in acknowledged]:
        yield Finding(document=final.document, text="its writes are not in order of revisions")


def _miscounted(evidence: Evidence, document: str) -> Iterator[Finding]:
    final = evidence.final.get(document)
    if final is None or final.data is None:
        return
    least = len(evidence.acknowledged(document))
    most = least + len(evidence.unknown(document))
    counted = final.data["n"]
    if not least <= counted <= most:
        expected = f"{least}" if least == most else f"{least} to {most}"
        yield Finding(
            document=document, text=f"it counted {counted}, where {expected} were acknowledged"
        )


def _reused(evidence: Evidence, contents: dict[tuple[str, int], str]) -> Iterator[Finding]:
    for document, at, revision, content in _tellings(evidence):
        known = contents.setdefault((document, revision), content)
        if known != content:
            yield Finding(
                document=document,
                at=at,
                text=f"revision {revision} was received with content {known}, and with {content}",
            )
    for document, created in evidence.created.items():
        writers = {created.revision: 0}
        for write in evidence.acknowledged(document):
            number = write.invoked.write
            if write.revision and writers.setdefault(write.revision, number) != number:
                yield _finding(write, f"its revision {write.revision} is that of another write")


def _tellings(evidence: Evidence) -> Iterator[tuple[str, float, int, str]]:
    """Document, time, revision and content, wherever a record has all of these."""
    for created in evidence.created.values():
        yield created.document, created.at, created.revision, created.content
    for document in evidence.created:
        for write in evidence.acknowledged(document):
            answered, invoked = write.answered, write.invoked
            assert answered is not None
            content = REMOVAL if invoked.do == "remove" else invoked.content or answered.content
            if answered.revision is not None and content is not None:
                yield document, answered.at, answered.revision, content
    for (document, _), seen in evidence.seen.items():
        for each in seen:
            if isinstance(each, Removed):
                if each.revision is not None:
                    yield document, each.at, each.revision, REMOVAL
            elif not isinstance(each, Missing):
                yield document, each.at, each.revision, each.content
    for read in chain(evidence.reads, evidence.final.values()):
        if read.revision is not None and read.content is not None:
            yield read.document, read.at, read.revision, read.content


def _not_growing(evidence: Evidence, document: str) -> Iterator[Finding]:
    """A write that began after another was acknowledged has a greater revision."""
    created = evidence.created[document]
    writes = [write for write in evidence.acknowledged(document) if write.revision is not None]
    answers = sorted((write.answered.at, write.revision or 0) for write in writes if write.answered)
    revisions = (revision for _, revision in answers)
    newest = list(accumulate(revisions, max, initial=created.revision))
    for write in writes:
        before = newest[bisect_left(answers, (write.invoked.at, 0))]
        if (write.revision or 0) <= before:
            yield _finding(write, f"it got revision {write.revision}, after {before} was given")


def _finding(write: Write, text: str) -> Finding:
    invoked = write.invoked
    return Finding(document=invoked.document, client=invoked.client, at=invoked.at, text=text)
