"""Whether the replicas of the Python client show what they promise to show."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding

from .actions import expires
from .copies import LostChanges, States, differing, index
from .evidence import ItemEvidence
from .records import ItemState
from .replica_records import (
    ReplicaChanged,
    ReplicaOpened,
    ReplicaRead,
    ReplicaRecord,
    ReplicaReset,
    ReplicaWrote,
)

__all__ = ["check_replica_converged", "check_replica_order", "check_replica_own"]


def check_replica_converged(evidence: Evidence) -> Check:
    """A replica ends with the stored items, in what it shows and in what it announced."""
    items = evidence.items
    return Check.of(
        "replica-converged",
        "Every replica ended with the stored items, which its events lead to",
        examined=sum(_final_read(each) is not None for each in items.replicas.values()),
        unit="replicas",
        findings=chain.from_iterable(
            _unlike_stored(evidence, sid, client) for sid, client in items.replicas
        ),
    )


def check_replica_order(evidence: Evidence) -> Check:
    """No item goes back, except after the replica said that changes were lost."""
    items = evidence.items
    return Check.of(
        "replica-order",
        "No item of a replica went back to an older state",
        examined=_count(items, ReplicaChanged, ReplicaRead),
        unit="changes and looks",
        findings=chain.from_iterable(
            _going_back(records, LostChanges.of(evidence, sid))
            for (sid, _), records in items.replicas.items()
        ),
    )


def check_replica_own(evidence: Evidence) -> Check:
    """Once a write is answered, the replica of its client shows it."""
    wrote = [
        each
        for records in evidence.items.replicas.values()
        for each in records
        if isinstance(each, ReplicaWrote)
    ]
    return Check.of(
        "replica-own",
        "Every replica showed its client's writes at their answers",
        examined=len(wrote),
        unit="own writes",
        findings=(
            _of(
                each,
                f"it showed {each.shown} of item {each.key} after the write to {each.revision}",
            )
            for each in wrote
            if (each.shown or 0) < each.revision
        ),
    )


def _count(items: ItemEvidence, *kinds: type[ReplicaRecord]) -> int:
    return sum(isinstance(each, kinds) for records in items.replicas.values() for each in records)


def _final_read(records: list[ReplicaRecord]) -> ReplicaRead | None:
    reads = [each for each in records if isinstance(each, ReplicaRead) and each.final]
    return reads[-1] if reads else None


def _unlike_stored(evidence: Evidence, sid: str, client: str) -> Iterator[Finding]:
    items = evidence.items
    records, final = items.replicas[sid, client], items.final(sid)
    shown = _final_read(records)
    if shown is None or final is None or final.revision is None:
        return
    if not shown.is_complete:
        yield _of(shown, "it was not complete at the end")
        return
    lost, scope = LostChanges.of(evidence, sid), items.scope(client)
    stored = {key: each for key, each in index(final.items).items() if scope.has(key)}
    for states, how in (
        (index(shown.items), "as it is shown"),
        (_announced(records), "as it was announced"),
    ):
        text = differing(states, stored, lost, shown.at)
        if text is not None:
            yield _of(shown, f"at the end, {how}: {text}")


def _announced(records: list[ReplicaRecord]) -> States:
    """The items, as the announcements lead to them."""
    states: States = {}
    for each in records:
        match each:
            case ReplicaOpened():
                states = index(each.items)
            case ReplicaChanged():
                for change in each.changes:
                    states.pop(change.key, None)
                    if change.content is not None and not expires(change.key):
                        states[change.key] = change
    return states


def _going_back(records: list[ReplicaRecord], lost: LostChanges) -> Iterator[Finding]:
    announced: dict[str, int] = {}
    shown: dict[str, int] = {}
    for each in records:
        match each:
            case ReplicaReset():
                announced.clear()
                shown.clear()
            case ReplicaChanged():
                # The revision of a removal may be that of the collection then.
                yield from _older(each, each.changes, announced, lost)
            case ReplicaOpened():
                announced = {state.key: state.revision for state in each.items}
            case ReplicaRead():
                yield from _older(each, each.items, shown, lost)


def _older(
    record: ReplicaChanged | ReplicaRead,
    states: tuple[ItemState, ...],
    known: dict[str, int],
    lost: LostChanges,
) -> Iterator[Finding]:
    for state in states:
        before = known.get(state.key, 0)
        known[state.key] = state.revision
        is_twice = isinstance(record, ReplicaChanged) and state.revision == before
        if state.revision > before or (state.revision == before and not is_twice):
            continue
        if not lost.may_be_lost(state.key, before, record.at):
            what = "announced" if isinstance(record, ReplicaChanged) else "showed"
            yield _of(record, f"it {what} {state.revision} of item {state.key} after {before}")


def _of(each: ReplicaRecord, text: str) -> Finding:
    return Finding(document=each.collection, client=each.client, at=each.at, text=text)
