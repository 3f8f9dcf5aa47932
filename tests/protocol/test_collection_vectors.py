"""The vectors of collections, with the shortest client that keeps rules C23 to C27."""

from __future__ import annotations

from typing import Any

from support.vectors import each

Step = dict[str, Any]


class Replica:
    """A replica of a whole collection: revisions by key.

    Attributes:
        since: the revision to resume from.
        complete: True once all pages are read.
        lost: True if the client must resume.
        announced: what the current step has announced.
        expiries: the notices of another expiry in the current step.
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
        # What pages and own writes have brought before their events.
        self._ahead: dict[str, int] = {}
        # The announced state of items of which an own write is shown: a revision, None for no item.
        self._announced: dict[str, int | None] = {}
        self._own: dict[int, tuple[str, str]] = {}
        self._replayed_to: int | None = None
        self._expires: int | None = None
        self.expiries: list[list[Any]] = []

    def do(self, step: Step) -> None:
        self.announced, self.expiries = [], []
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
            if self._is_first_walk and self._announced.get(key, revision) is None:
                self._announced[key] = revision
            if self._changed.get(key, 0) < revision and key not in self._confirmed_by_event(key):
                self._read(key, revision)
                if revision > self.since:
                    self._ahead[key] = revision
        if step["next"] is None:
            for key in sorted(self._unconfirmed):
                known = self._announced.pop(key, self.items.get(key))
                self.items.pop(key, None)
                if known is not None:
                    self._announce("removed", key, step["revision"])
            self._unconfirmed.clear()
            self.complete, self._is_first_walk = True, False

    def _confirmed_by_event(self, key: str) -> set[str]:
        """Holds the key if an event after a reset has named it."""
        return {key} & self._changed.keys() if not self._is_first_walk else set()

    def _read(self, key: str, revision: int) -> None:
        shown = self.items.get(key)
        known = self._announced.pop(key, shown)
        is_new = shown is None or key in self._unconfirmed or shown < revision
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
            if revision >= self._ahead.get(key, revision):
                self._ahead.pop(key, None)
        self.since = step["revision"]
        if self._replayed_to is not None and self.since >= self._replayed_to:
            for own in sorted(self._own):
                _, key = self._own[own]
                if own <= self._replayed_to:
                    self._announce_own(own)
                    self._apply("removed", key, self._replayed_to)
                    self._ahead.pop(key, None)
            lost = [key for key, at in self._ahead.items() if at <= self._replayed_to]
            for key in lost:
                del self._ahead[key]
                self._apply("removed", key, self._replayed_to)
            self._replayed_to = None
        self._expiry(step)

    def _state(self, key: str) -> int | None:
        """Revision of an item without own writes that are shown ahead of their events."""
        return self._announced.get(key, self.items.get(key))

    def _is_overtaken(self, kind: str, key: str, revision: int, *base: Any) -> bool:
        return bool(base) and key not in self._unconfirmed and (self._state(key) or 0) >= revision

    def _can_make(self, kind: str, key: str, revision: int, *base: Any) -> bool:
        if not base:
            return True
        # A fifth element says that the digest is wrong.
        return key not in self._unconfirmed and base == (self._state(key),)

    def _expiry(self, step: Step) -> None:
        self.since = step["revision"]
        if step.get("expires") != self._expires:
            self._expires = step.get("expires")
            self.expiries.append([self.since, self._expires])

    def _resume(self, step: Step) -> None:
        if step.get("reset"):
            return self._reset(step)
        self.lost = False
        end = step["more_since"] or step["revision"]
        self._replayed_to = step["revision"]
        self._event({**step, "revision": end})

    def _reset(self, step: Step) -> None:
        self.since, self.complete = step["revision"], False
        self._unconfirmed = set(self.items) | {k for k, at in self._announced.items() if at}
        self._own.clear()
        self._changed.clear()
        self._ahead.clear()
        self._replayed_to = None
        self._asked = [False for _ in self._asked]
        self._is_first_walk = False

    def _reply(self, step: Step) -> None:
        kind, key, revision = step["change"]
        self._own[revision] = (kind, key)
        if revision < self._ahead.get(key, 0):
            return
        self._announced.setdefault(key, self.items.get(key))
        self._ahead[key] = self._changed[key] = revision
        self._unconfirmed.discard(key)
        self._put(kind, key, revision)

    def _announce_own(self, revision: int) -> None:
        kind, key = self._own.pop(revision)
        self._apply(kind, key, revision, is_local=True)

    def _put(self, kind: str, key: str, revision: int) -> None:
        if kind == "removed":
            self.items.pop(key, None)
        else:
            self.items[key] = revision

    def _apply(self, kind: str, key: str, revision: int, *, is_local: bool = False) -> None:
        for own in sorted(self._own):
            if own < revision and self._own[own][1] == key:
                self._announce_own(own)
        is_local = is_local or self._own.pop(revision, None) is not None
        had = self._announced.get(key, self.items.get(key))
        if had is not None and key not in self._unconfirmed and had >= revision:
            return
        if key in self._announced and revision < self._ahead.get(key, 0):
            self._announced[key] = None if kind == "removed" else revision
        else:
            self._announced.pop(key, None)
            self._changed[key] = revision
            self._unconfirmed.discard(key)
            self._put(kind, key, revision)
        if kind == "removed" and had is None and self.complete:
            return
        if kind != "removed" and self.complete:
            kind = "added" if had is None else "updated"
        self._announce(kind, key, revision, is_local=is_local)

    def _announce(self, kind: str, key: str, revision: int, *, is_local: bool = False) -> None:
        self.announced.append([kind, key, revision, is_local])


@each("collections")
def test_a_client_that_keeps_the_rules(vector: dict[str, Any]) -> None:
    replica = Replica()
    for step in vector["steps"]:
        replica.do(step)
        assert replica.announced == step.get("announced", []), step
        assert replica.expiries == step.get("expiries", []), step
        if "items_after" in step:
            assert replica.items == step["items_after"], step
        if "since" in step:
            assert replica.since == step["since"], step
        if "complete" in step:
            assert replica.complete is step["complete"], step
        if "lost" in step:
            assert replica.lost is step["lost"], step
