"""The vectors of collections, with the shortest client that keeps rules C23 to C27."""

from __future__ import annotations

from typing import Any

from support.vectors import each

Step = dict[str, Any]
Change = tuple[str, str, int]


class Replica:
    """A replica of a whole collection: revisions by key.

    Attributes:
        since: the revision to resume from.
        complete: True once all pages are read.
        lost: True if the client must resume.
        announced: what the current step has announced.
    """

    def __init__(self) -> None:
        self.items: dict[str, int] = {}
        self.since = 0
        self.complete = False
        self.lost = False
        self.announced: list[list[Any]] = []
        # Keys that pages have not confirmed since a reset; what events changed since the pages
        # that are under way were asked for; those pages, with False for one to discard.
        self._unconfirmed: set[str] = set()
        self._changed: dict[str, int] = {}
        self._asked: list[bool] = []
        self._is_first_walk = True
        self._own: dict[int, Change] = {}

    def do(self, step: Step) -> None:
        self.announced = []
        getattr(self, f"_{step['do']}")(step)

    def _ask(self, _: Step) -> None:
        if True not in self._asked:
            self._changed.clear()
        self._asked.append(True)

    def _page(self, step: Step) -> None:
        if self._asked:
            if not self._asked.pop(0):
                return
        else:
            self.since = step["revision"]  # in the reply to `open`
        for key, revision in step["items"]:
            if self._changed.get(key, 0) < revision and key not in self._confirmed_by_event(key):
                self._read(key, revision)
        if step["next"] is None:
            for key in sorted(self._unconfirmed):
                del self.items[key]
                self._announce("removed", key, step["revision"])
            self._unconfirmed.clear()
            self.complete, self._is_first_walk = True, False

    def _confirmed_by_event(self, key: str) -> set[str]:
        """Holds the key if an event after a reset has named it."""
        return {key} & self._changed.keys() if not self._is_first_walk else set()

    def _read(self, key: str, revision: int) -> None:
        known = self.items.get(key)
        is_new = known is None or key in self._unconfirmed or known < revision
        self._unconfirmed.discard(key)
        if is_new:
            self.items[key] = revision
        if not self._is_first_walk and known != revision:
            self._announce("added" if known is None else "updated", key, revision)

    def _event(self, step: Step) -> None:
        # A change with a base is a delta. One that a page has overtaken says nothing.
        changes = [each for each in step["changes"] if not self._is_overtaken(*each)]
        if not all(self._can_make(*each) for each in changes):
            self.lost = True
            return
        for kind, key, revision, *_ in changes:
            self._apply(kind, key, revision)
        self.since = step["revision"]

    def _is_overtaken(self, kind: str, key: str, revision: int, *base: Any) -> bool:
        return bool(base) and key not in self._unconfirmed and self.items.get(key, 0) >= revision

    def _can_make(self, kind: str, key: str, revision: int, *base: Any) -> bool:
        if not base:
            return True
        # A fifth element says that the digest is wrong.
        return key not in self._unconfirmed and base == (self.items.get(key),)

    def _expiry(self, step: Step) -> None:
        self.since = step["revision"]

    def _resume(self, step: Step) -> None:
        if step.get("reset"):
            return self._reset(step)
        self.lost = False
        end = step["more_since"] or step["revision"]
        self._event({"changes": step["changes"], "revision": end})

    def _reset(self, step: Step) -> None:
        self.since, self.complete = step["revision"], False
        self._unconfirmed = set(self.items)
        self._changed.clear()
        self._asked = [False for _ in self._asked]
        self._is_first_walk = False

    def _reply(self, step: Step) -> None:
        kind, key, revision = step["change"]
        self._own[revision] = (kind, key, revision)

    def _apply(self, kind: str, key: str, revision: int) -> None:
        for own in sorted(self._own):
            if own < revision and self._own[own][1] == key:
                self._apply(*self._own[own])
        is_local = self._own.pop(revision, None) is not None
        had = self.items.get(key)
        if had is not None and key not in self._unconfirmed and had >= revision:
            return
        self._changed[key] = revision
        self._unconfirmed.discard(key)
        if kind == "removed":
            if self.items.pop(key, None) is None and self.complete:
                return
        else:
            if self.complete:
                kind = "added" if had is None else "updated"
            self.items[key] = revision
        self._announce(kind, key, revision, is_local=is_local)

    def _announce(self, kind: str, key: str, revision: int, *, is_local: bool = False) -> None:
        self.announced.append([kind, key, revision, is_local])


@each("collections")
def test_a_client_that_keeps_the_rules(vector: dict[str, Any]) -> None:
    replica = Replica()
    for step in vector["steps"]:
        replica.do(step)
        assert replica.announced == step.get("announced", []), step
        if "items_after" in step:
            assert replica.items == step["items_after"], step
        if "since" in step:
            assert replica.since == step["since"], step
        if "complete" in step:
            assert replica.complete is step["complete"], step
        if "lost" in step:
            assert replica.lost is step["lost"], step
