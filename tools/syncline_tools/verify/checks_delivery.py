"""Whether every subscriber that could receives every change, and receives it in time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, pairwise

from .calm import Calm
from .commits import Commits
from .evidence import Evidence, Seen
from .findings import Check, Finding
from .records import Kind, Missing, Opened, Removed, Updated

__all__ = ["FRESH_WITHIN", "check_complete", "check_fresh"]

FRESH_WITHIN = 3.0
"""Seconds after which a subscriber has to have the newest state.

The promise is about one second; the rest is for a machine that is busy with the run itself.
"""

WAITING = 1.0
"""Seconds that an own write may take: while it does, the events of its document wait on the server,
and if these become many, the oldest give way."""

FIRST_CONNECTION = 1

NEVER = float("inf")


def check_complete(evidence: Evidence) -> Check:
    """Between two events on one connection that nothing disturbed, none is missing.

    Slow readers get the newest state in the place of those between, and clients that connect again
    too: neither is judged here. Nor is the Python client where it writes, since it notifies its
    user of its own writes by their answers, or after a break: it may go on with REST then, and
    changes to a WebSocket without a word.
    """
    calm = Calm(evidence)
    judged, findings = 0, list[Finding]()
    for document, created in evidence.created.items():
        commits = Commits.of(evidence, document)
        for client, wire in evidence.wires.items():
            is_python = wire == "python"
            if is_python and created.kind is Kind.TALLY:
                continue
            for before, after in _steps(evidence.seen.get((document, client), [])):
                if is_python and before.connection != FIRST_CONNECTION:
                    continue
                if calm.undisturbed(client, before.at, after.at):
                    judged += 1
                    findings += _missing(evidence, commits, before, after)
    return Check.of(
        "complete",
        "Every undisturbed subscriber received every change",
        examined=judged,
        unit="events",
        findings=findings,
    )


def check_fresh(evidence: Evidence) -> Check:
    """What is newest reaches every subscriber in time, even if nothing comes after it."""
    calm = Calm(evidence)
    end = evidence.ended.at if evidence.ended else 0.0
    judged, findings = 0, list[Finding]()
    for document in evidence.created:
        moments = _moments(evidence, document)
        in_time = sum(moment.at + FRESH_WITHIN < end for moment in moments)
        for client in evidence.wires:
            seen = evidence.seen.get((document, client), [])
            if any(isinstance(each, Opened) for each in seen):
                judged += in_time
                findings += _late(calm, moments, seen, client)
    return Check.of(
        "fresh",
        f"Every subscriber had the newest state within {FRESH_WITHIN:g} s",
        examined=judged,
        unit="states",
        findings=findings,
    )


@dataclass(frozen=True, slots=True)
class _Moment:
    """From then on it is known that a document has reached a revision, or its end (`NEVER`)."""

    at: float
    revision: float


def _steps(seen: list[Seen]) -> Iterator[tuple[Opened | Updated, Updated | Removed]]:
    """Each event, and what was received before it on the same connection."""
    for before, after in pairwise(seen):
        if (
            isinstance(before, Opened | Updated)
            and isinstance(after, Updated | Removed)
            and before.connection == after.connection
        ):
            yield before, after


def _missing(
    evidence: Evidence, commits: Commits, before: Opened | Updated, after: Updated | Removed
) -> Iterator[Finding]:
    high = after.revision
    if high is None:
        return
    missing = commits.between(before.revision, high)
    if missing and not _waited(evidence, before, after):
        yield Finding(
            document=after.document,
            client=after.client,
            at=after.at,
            text=f"after {before.revision} it received {high}, and not {_named(missing)}",
        )


def _waited(evidence: Evidence, before: Seen, after: Seen) -> bool:
    return any(
        write.invoked.client == after.client
        and write.invoked.at < after.at
        and (
            write.answered is None or write.answered.at > max(before.at, write.invoked.at + WAITING)
        )
        for write in evidence.writes[after.document]
    )


def _named(missing: list[int]) -> str:
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    return f"{missing[0]}{more} between"


def _moments(evidence: Evidence, document: str) -> list[_Moment]:
    """When each newest revision became known, to its writer or to any subscriber."""
    known: dict[float, float] = {}
    for write in evidence.acknowledged(document):
        if write.answered is not None and write.invoked.do == "remove":
            _keep_earliest(known, NEVER, write.answered.at)
        elif write.answered is not None and write.revision is not None:
            _keep_earliest(known, write.revision, write.answered.at)
    for client in evidence.wires:
        for each in evidence.seen.get((document, client), ()):
            if isinstance(each, Opened | Updated):
                _keep_earliest(known, each.revision, each.at)
    moments = sorted((at, revision) for revision, at in known.items())
    newest = accumulate((revision for _, revision in moments), max)
    return [_Moment(at, revision) for (at, _), revision in zip(moments, newest, strict=True)]


def _keep_earliest(known: dict[float, float], revision: float, at: float) -> None:
    known[revision] = min(at, known.get(revision, NEVER))


def _late(calm: Calm, moments: list[_Moment], seen: list[Seen], client: str) -> Iterator[Finding]:
    times = [each.at for each in seen]
    reached = list(accumulate(map(_reached, seen), max))
    opened = next(each.at for each in seen if isinstance(each, Opened))

    def reached_at(moment: float) -> float:
        place = bisect_right(times, moment)
        return reached[place - 1] if place else 0

    found = 0.0
    for moment in moments:
        since = max(moment.at, opened)
        if reached_at(since + FRESH_WITHIN) >= moment.revision or moment.revision <= found:
            continue
        due = calm.due(client, since, FRESH_WITHIN)
        if due is not None and reached_at(due) < moment.revision:
            found = moment.revision
            what = "its end" if moment.revision == NEVER else f"revision {moment.revision}"
            yield Finding(
                document=seen[0].document,
                client=client,
                at=due,
                is_doubt=calm.is_starved(since, due),
                text=f"it did not have {what} {due - moment.at:.2f} s after it was known",
            )


def _reached(each: Seen) -> float:
    return NEVER if isinstance(each, Removed | Missing) else each.revision
