"""Whether conditions, indexes and batches of items hold where writers contend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .evidence import Applied, ItemEvidence
from .observer import STORE
from .operation import ABSENT
from .records import ItemState

__all__ = ["check_item_conditions", "check_item_indexes"]


def check_item_conditions(evidence: Evidence) -> Check:
    """A write on a condition follows the revision that it named, and no other."""
    items, losses = evidence.items, Losses.of(evidence)
    conditional = {
        sid: [each for each in items.applied(sid) if each.part.if_match is not None]
        for sid in items.collections
    }
    return Check.of(
        "item-conditions",
        "Conditional writes of items were applied to the state that they named",
        examined=sum(map(len, conditional.values())),
        unit="conditional writes",
        findings=chain.from_iterable(
            chain(
                _against_condition(items, losses, sid, writes),
                _on_one_revision(sid, writes),
            )
            for sid, writes in conditional.items()
        ),
    )


def check_item_indexes(evidence: Evidence) -> Check:
    """Each index of a list belongs to one item, also after the item was removed."""
    items, losses = evidence.items, Losses.of(evidence)
    lists = [sid for sid, created in items.created.items() if created.type == "list"]
    births = {sid: _births(items, sid) for sid in lists}
    return Check.of(
        "item-indexes",
        "No index of a list was used twice",
        examined=sum(map(len, births.values())),
        unit="indexes",
        findings=chain.from_iterable(
            chain(_used_twice(items, losses, sid, births[sid]), _not_after(items, sid))
            for sid in lists
        ),
    )


@dataclass(slots=True)
class _Commit:
    """A revision of an item.

    Attributes:
        at: when it became known.
        is_acknowledged: False if it is known only because somebody saw it.
        is_live: False of a removal.
        began: when its write was asked for, if that is known; else as `at`.
    """

    at: float
    is_acknowledged: bool
    is_live: bool
    began: float


def _commits(items: ItemEvidence, sid: str) -> dict[str, dict[int, _Commit]]:
    """By key and revision."""
    found: dict[str, dict[int, _Commit]] = defaultdict(dict)
    for applied in items.applied(sid):
        if applied.key is not None and applied.revision is not None:
            is_live = applied.part.do != "remove"
            commit = _Commit(applied.at, True, is_live, applied.began)
            found[applied.key][applied.revision] = commit
    for each in items.sightings(sid):
        state = each.state
        known = found[state.key].get(state.revision)
        if known is None:
            is_live = state.content is not None
            began = min((_began(items, number) for number in state.writes), default=each.at)
            found[state.key][state.revision] = _Commit(each.at, False, is_live, began)
        else:
            known.at = min(known.at, each.at)
    return found


def _began(items: ItemEvidence, number: int) -> float:
    write = items.writes.get(number)
    return write.invoked.at if write else 0.0


def _against_condition(
    items: ItemEvidence, losses: Losses, sid: str, writes: list[Applied]
) -> Iterator[Finding]:
    commits, follows = _commits(items, sid), _follows(items, sid)
    for each in writes:
        named, revision = each.part.if_match, each.revision
        if named is None or revision is None or each.key is None:
            continue
        of_key = commits[each.key]
        before = {r: commit for r, commit in of_key.items() if named < r < revision}
        # What a failover lost was not there when the condition was checked.
        there = sorted(
            r
            for r, commit in before.items()
            if commit.is_acknowledged
            or not losses.possible(commit.at, each.at)
            or follows.get(revision, 0) >= r
        )
        if not there:
            continue
        if named == ABSENT:
            newest = of_key[there[-1]]
            if not newest.is_live or _may_be_removed(items, sid, each, newest):
                continue
            text = f"its condition was that there is no item {each.key}, and it was there at "
            yield _by(each, sid, f"{text}{there[-1]} when it was applied as {revision}")
        else:
            yield _by(
                each,
                sid,
                f"its condition was revision {named} of item {each.key}, and {there[-1]} had been "
                f"written when it was applied as {revision}",
            )


def _follows(items: ItemEvidence, sid: str) -> dict[int, int]:
    """The revision of the collection before each revision, as events name it."""
    return {
        change.revision: event.previous
        for event in items.changes_of(sid, STORE)
        for change in event.changes
    }


def _may_be_removed(items: ItemEvidence, sid: str, write: Applied, newest: _Commit) -> bool:
    """True if somebody may have removed the item since, of whose revision nobody knows."""
    return any(
        part.do == "remove"
        and part.key == write.key
        and not items.is_refused(other)
        and other.invoked.at < write.at
        and other.acknowledged_at > newest.began
        for other in items.writes_to(sid)
        for part in other.invoked.parts
    )


def _on_one_revision(sid: str, writes: list[Applied]) -> Iterator[Finding]:
    """Two writes never both succeed against the same revision."""
    first: dict[tuple[str, int], Applied] = {}
    for each in writes:
        named = each.part.if_match
        if each.key is None or named is None or named == ABSENT:
            continue
        other = first.setdefault((each.key, named), each)
        if other is not each:
            yield _by(
                each,
                sid,
                f"its condition was revision {named} of item {each.key}, on which write "
                f"{other.write.number} was acknowledged too",
            )


@dataclass(frozen=True, slots=True)
class _Birth:
    """The creation of an item; `at` is when it became known."""

    write: int
    part: int
    at: float
    is_acknowledged: bool


def _births(items: ItemEvidence, sid: str) -> dict[str, list[_Birth]]:
    """The creations under each index."""
    found: dict[str, list[_Birth]] = defaultdict(list)
    known = set[tuple[str, int, int]]()
    for applied in items.applied(sid):
        if applied.part.do == "add" and applied.key is not None:
            part = applied.write.invoked.parts.index(applied.part)
            known.add((applied.key, applied.write.number, part))
            found[applied.key].append(_Birth(applied.write.number, part, applied.at, True))
    for each in items.sightings(sid):
        state = each.state
        if _is_addition(items, state) and (state.key, state.writes[0], state.part) not in known:
            known.add((state.key, state.writes[0], state.part))
            # Its write may have been acknowledged: under another index, after this one was lost.
            found[state.key].append(_Birth(state.writes[0], state.part, each.at, False))
    return found


def _is_addition(items: ItemEvidence, state: ItemState) -> bool:
    write = items.writes.get(state.writes[0]) if state.writes else None
    parts = write.invoked.parts if write else ()
    return state.part < len(parts) and parts[state.part].do == "add"


def _used_twice(
    items: ItemEvidence, losses: Losses, sid: str, births: dict[str, list[_Birth]]
) -> Iterator[Finding]:
    for key, each in births.items():
        first, *others = sorted(each, key=lambda birth: birth.at)
        for other in others:
            # The one that was lost may be seen later: the old master may still give indexes, and
            # publish, after the new one has begun to.
            both = first.is_acknowledged and other.is_acknowledged
            if both or not losses.possible(first.at, other.at):
                write = items.writes.get(other.write)
                yield Finding(
                    document=sid,
                    client=write.invoked.client if write else None,
                    at=other.at,
                    text=f"index {key} was given to write {first.write}, and to write "
                    f"{other.write}",
                )


def _not_after(items: ItemEvidence, sid: str) -> Iterator[Finding]:
    """An item that was added after another was acknowledged has a greater index."""
    added = [each for each in items.applied(sid) if each.part.do == "add" and each.key is not None]
    newest, done = -1, sorted(added, key=lambda each: each.at)
    place = 0
    for each in sorted(added, key=lambda each: each.began):
        while place < len(done) and done[place].at <= each.began:
            newest = max(newest, int(done[place].key or 0))
            place += 1
        if int(each.key or 0) <= newest:
            yield _by(each, sid, f"it got index {each.key}, after {newest} was given")


def _by(applied: Applied, sid: str, text: str) -> Finding:
    return Finding(document=sid, client=applied.write.invoked.client, at=applied.began, text=text)
