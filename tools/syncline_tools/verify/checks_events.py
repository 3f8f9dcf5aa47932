"""Whether every subscriber received everything, in order and once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from .evidence import Evidence, Seen
from .findings import Check, Finding
from .losses import Losses
from .records import Kind, Missing, Opened, Read, Removed, Updated

__all__ = ["check_converged", "check_order", "check_removals", "check_replies"]


def check_order(evidence: Evidence) -> Check:
    """Events of one document come in the order of revisions, none twice, none after its end."""
    return Check.of(
        "order",
        "No subscriber received a change twice or out of order",
        examined=evidence.count_events(),
        unit="events",
        findings=chain.from_iterable(
            _disordered(seen, _Lost.of(evidence, document))
            for (document, _), seen in evidence.seen.items()
        ),
    )


@dataclass(frozen=True, slots=True)
class _Lost:
    """What a failover may have lost of one document: a client that opens it again goes back."""

    losses: Losses
    acknowledged: set[int | None]

    @classmethod
    def of(cls, evidence: Evidence, document: str) -> _Lost:
        acknowledged = {each.revision for each in evidence.acknowledged(document)}
        return cls(Losses.of(evidence), acknowledged)

    def may_go_back(self, seen: Seen, revision: int, since: float) -> bool:
        """True of an older state that was opened, where `revision` was received at `since`."""
        is_lost = revision not in self.acknowledged and self.losses.possible(since, seen.at)
        return isinstance(seen, Opened) and is_lost


def check_replies(evidence: Evidence) -> Check:
    """A writer's answer comes before its event.

    The promise is of one connection: REST has none, and a write that was sent again on another has
    had its event maybe before.
    """
    pairs = list(_pairs(evidence))
    return Check.of(
        "replies",
        "A writer had its answer before its event",
        examined=len(pairs),
        unit="own events",
        findings=(
            Finding(
                document=event.document,
                client=event.client,
                at=event.at,
                text=f"the event of its own revision {event.revision} came before the answer",
            )
            for answer_place, event in pairs
            if evidence.places[id(event)] < answer_place
        ),
    )


def check_converged(evidence: Evidence) -> Check:
    """At the end, everybody holds what is stored."""
    expected = [
        (client, read)
        for read in evidence.final.values()
        # What expires may do so right after it was read.
        if read.revision is not None and evidence.created[read.document].kind is not Kind.EXPIRING
        for client in evidence.created[read.document].followers
    ]
    return Check.of(
        "converged",
        "Every subscriber ended with the state that is stored",
        examined=len(expected),
        unit="subscriptions",
        findings=(
            finding
            for client, read in expected
            for finding in _stale(client, read, evidence.seen.get((read.document, client)))
        ),
    )


def check_removals(evidence: Evidence) -> Check:
    """A subscriber of a removed document has received the removal."""
    gone = {document for document, read in evidence.final.items() if read.revision is None}
    pairs = [
        (client, seen)
        for (document, client), seen in evidence.seen.items()
        if document in gone and any(isinstance(each, Opened) for each in seen)
    ]
    return Check.of(
        "removals",
        "Every subscriber received the end of what it had open",
        examined=len(pairs),
        unit="subscriptions",
        findings=(
            Finding(
                document=seen[-1].document,
                client=client,
                at=seen[-1].at,
                text="it was removed, and the subscriber was not notified",
            )
            for client, seen in pairs
            if not isinstance(seen[-1], Removed | Missing)
        ),
    )


def _disordered(seen: list[Seen], lost: _Lost) -> Iterator[Finding]:
    newest, since, ended = 0, 0.0, False
    for each in seen:
        if ended and not isinstance(each, Missing):
            yield _of(each, "it received something after the end")
        elif isinstance(each, Removed | Missing):
            ended = True
            if isinstance(each, Removed) and each.revision is not None:
                if each.revision <= newest:
                    yield _of(each, f"its end has revision {each.revision}, after {newest}")
        else:
            again = each.revision == newest and isinstance(each, Updated)
            if again:
                yield _of(each, f"it received revision {newest} twice")
            elif each.revision < newest:
                if not lost.may_go_back(each, newest, since):
                    yield _of(each, f"it received revision {each.revision} after {newest}")
                    continue
            newest, since = each.revision, each.at


def _pairs(evidence: Evidence) -> Iterator[tuple[int, Updated | Removed]]:
    """The place of each answer that can be compared, and the event of the same revision."""
    for document in evidence.created:
        for write in evidence.acknowledged(document):
            answered, invoked = write.answered, write.invoked
            if answered is None or answered.repeated or answered.revision is None:
                continue
            if evidence.wires.get(invoked.client) == "rest":
                continue
            if invoked.connection is None or invoked.connection != answered.connection:
                continue
            for each in evidence.seen.get((document, invoked.client), ()):
                if (
                    isinstance(each, Updated | Removed)
                    and _covers(each, answered.revision)
                    and each.connection == answered.connection
                ):
                    yield evidence.places[id(answered)], each


def _covers(event: Updated | Removed, revision: int) -> bool:
    """True if it is the event of the revision, also as one of a batch that was stored together."""
    if event.revision is None or event.previous is None:
        return event.revision == revision
    return event.previous < revision <= event.revision


def _stale(client: str, final: Read, seen: list[Seen] | None) -> Iterator[Finding]:
    last = seen[-1] if seen else None
    if isinstance(last, Opened | Updated):
        if last.revision != final.revision:
            yield _of(last, f"it ended at {last.revision}, and {final.revision} is stored")
    elif last is not None:
        yield _of(last, f"it received the end, but {final.revision} is stored")
    else:
        yield Finding(document=final.document, client=client, text="it could never be opened")


def _of(each: Seen, text: str) -> Finding:
    return Finding(document=each.document, client=each.client, at=each.at, text=text)
