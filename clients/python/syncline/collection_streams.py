"""Event streams of lists, maps and streams over REST (docs/protocol.md, section 9)."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from syncline_protocol.objects import ObjectType

from .event_streams import ObjectStream, OnState
from .header import JsonObject
from .http import Http
from .transport import EventHandler

__all__ = ["CollectionStream"]

QUERY_LENGTH = 7_000
"""Characters of a query, at most: a URL has 8,192 bytes at most."""


class CollectionStream(ObjectStream):
    """Follows one list, map or stream."""

    def __init__(
        self,
        http: Http,
        type_: ObjectType,
        request: JsonObject,
        on_state: OnState,
        *,
        known: JsonObject | None,
        created: bool,
        on_event: EventHandler,
    ) -> None:
        """
        Args:
            request: the `open` request; it has the SID.
            on_state: called with the first state.
            known: the header, if the request resumes from a revision; else None.
            created: whether the client has just created the object.
            on_event: called with each event in the form of the native protocol, and with
                `resumed`, which has what a native reply to `open` with a revision has.
        """
        query = urlencode(_part_of(request) + _page_of(request))
        revision = int(request["revision"]) if known is not None else None

        def path_of(address: str) -> str:
            path = f"{http.path_to(address, type_)}/Events"
            return f"{path}?{query}" if query else path

        super().__init__(http, path_of, request[type_.name], revision=revision)
        self._type = type_
        self._known = known
        self._created = created
        self._on_state = on_state
        self._on_event = on_event

    def _began(self) -> None:
        # The server sends no state where nothing has changed since the revision, so the stream
        # itself is the reply; a state that comes has the changes.
        if self._known is not None and not self.opened:
            resumed = {"changes": [], "more_since": str(self._revision)}
            self._open({self._type.name: self._known, **resumed})

    def _take(self, name: str, data: JsonObject) -> None:
        if name != "state":
            self._on_event({"event": name, **data})
        elif not self.opened:
            self._open(data)
        elif "changes" in data or data.get("reset"):
            # The changes since the revision from which the stream was resumed.
            self._on_event({"event": "resumed", **data})
        elif self._type.has_messages:
            self._on_event({"event": "expiry", **data})
        self._move(data)

    def _open(self, ok: JsonObject) -> None:
        self._address = ok[self._type.name]["sid"]
        self._on_state(self._address, {"created": self._created, **ok})
        self.opened = True

    def _removal(self) -> JsonObject:
        return {self._type.name: {"sid": self._address}}

    def _move(self, data: JsonObject) -> None:
        """Remember the revision to resume from, which is the `id` of the event."""
        revision = data.get("more_since") or data[self._type.name].get("revision")
        if revision is not None and self._type.has_items:
            self._revision = int(revision)


def _page_of(request: JsonObject) -> list[tuple[str, Any]]:
    """Query parameters for the first page that an `open` request asks for."""
    items = request.get("items")
    return [("Items", items["limit"])] if isinstance(items, dict) else []


def _part_of(request: JsonObject) -> list[tuple[str, Any]]:
    """Query parameters for the part that an `open` request names.

    None for a part with so many keys that no URL has room: the whole is read, and each handle
    receives the changes of its own part.
    """
    if "prefix" in request:
        return [("Prefix", request["prefix"])]
    named = [
        (name, key)
        for name, several in (("Key", "keys"), ("Index", "indexes"))
        for key in request.get(several, ())
    ]
    return named if len(urlencode(named)) <= QUERY_LENGTH else []
