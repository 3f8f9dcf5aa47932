"""Whether replicas have what is newest in time."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from syncline_tools.verify.calm import Calm
from syncline_tools.verify.checks_delivery import FRESH_WITHIN
from syncline_tools.verify.evidence import Evidence
from syncline_tools.verify.findings import Check, Finding
from syncline_tools.verify.losses import Losses

from .actions import expires
from .evidence import ItemEvidence
from .records import ItemState
from .replica_records import ReplicaChanged, ReplicaOpened, ReplicaRecord

__all__ = ["check_replica_fresh"]


def check_replica_fresh(evidence: Evidence) -> Check:
    """A replica announces the newest state of each item in time.

    Only a state that is still the newest when it is due is judged: after a break a replica goes
    from one state to the newest.
    """
    items, calm, losses = evidence.items, Calm(evidence), Losses.of(evidence)
    judged, findings = 0, list[Finding]()
    for sid in items.collections:
        known = _known(items, sid)
        for client in items.replica_clients(sid):
            states = _announcements(items.replicas[sid, client])
            for key, moments in known.items():
                if items.scope(client).has(key) and states.opened_at is not None:
                    judge = _Judge(sid, client, calm, losses, states)
                    judged += len(moments)
                    findings += judge.late(key, moments)
    return Check.of(
        "replica-fresh",
        f"Every replica had the newest state of every item within {FRESH_WITHIN:g} s",
        examined=judged,
        unit="states",
        findings=findings,
    )


class _Moment(NamedTuple):
    """From `at` on it is known that an item has reached a revision."""

    revision: int
    at: float
    is_live: bool
    is_acknowledged: bool


class _Announced(NamedTuple):
    """When each state of each item was announced, by key; `opened_at`: when all were there."""

    opened_at: float | None
    by_key: dict[str, list[tuple[float, ItemState]]]


class _Judge(NamedTuple):
    sid: str
    client: str
    calm: Calm
    losses: Losses
    announced: _Announced

    def late(self, key: str, moments: list[_Moment]) -> Iterator[Finding]:
        """States of an item that are missing when they are due."""
        for place, moment in enumerate(moments):
            since = max(moment.at, self.announced.opened_at or 0.0)
            due = self.calm.due(self.client, since, FRESH_WITHIN)
            if due is None or any(later.at <= due for later in moments[place + 1 :]):
                continue
            if self._has(key, moment, due):
                continue
            if not moment.is_acknowledged and self.losses.possible(moment.at, due):
                continue
            what = f"revision {moment.revision}" if moment.is_live else "the removal"
            yield Finding(
                document=self.sid,
                client=self.client,
                at=due,
                is_doubt=self.calm.is_starved(since, due),
                text=f"it did not have {what} of item {key} {due - moment.at:.2f} s after it was "
                "known",
            )

    def _has(self, key: str, moment: _Moment, due: float) -> bool:
        states = self.announced.by_key.get(key, [])
        place = bisect_right(states, due, key=lambda each: each[0])
        newest = states[place - 1][1] if place else None
        if newest is None or newest.content is None:
            return not moment.is_live or (newest is not None and newest.revision > moment.revision)
        return newest.revision >= moment.revision


def _known(items: ItemEvidence, sid: str) -> dict[str, list[_Moment]]:
    """The states of each item, in the order of revisions."""
    found = chain(
        (
            (each.key, _Moment(each.revision, each.at, each.part.do != "remove", True))
            for each in items.applied(sid)
            if each.revision is not None and each.key is not None
        ),
        (
            (change.key, _Moment(change.revision, event.at, change.content is not None, False))
            for event in items.changes_of(sid)
            for change in event.changes
        ),
    )
    by_key: dict[str, dict[int, _Moment]] = defaultdict(dict)
    for key, each in found:
        if not expires(key):
            first = by_key[key].setdefault(each.revision, each)
            by_key[key][each.revision] = each._replace(
                at=min(first.at, each.at),
                is_acknowledged=first.is_acknowledged or each.is_acknowledged,
            )
    return {key: sorted(moments.values()) for key, moments in by_key.items()}


def _announcements(records: list[ReplicaRecord]) -> _Announced:
    opened_at, by_key = None, defaultdict[str, list[tuple[float, ItemState]]](list)
    for each in records:
        states: tuple[ItemState, ...] = ()
        if isinstance(each, ReplicaOpened):
            opened_at, states = each.at, each.items
        elif isinstance(each, ReplicaChanged):
            states = each.changes
        for state in states:
            by_key[state.key].append((each.at, state))
    return _Announced(opened_at, by_key)
