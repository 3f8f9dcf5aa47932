"""Event streams of documents over REST."""

from __future__ import annotations

from .event_streams import ObjectStream, OnState
from .header import JsonObject
from .http import Http
from .transport import EventHandler

__all__ = ["DocumentStream"]


class DocumentStream(ObjectStream):
    """Follows one document."""

    def __init__(
        self,
        http: Http,
        address: str,
        created: bool,
        on_state: OnState,
        *,
        on_event: EventHandler,
    ) -> None:
        """
        Args:
            created: whether the client has just created it.
            on_state: called with the first state.
            on_event: called with each event, and with each later state as an `updated` event.
        """
        super().__init__(http, lambda each: f"{http.path_to(each)}/Events", address)
        self._created = created
        self._on_state = on_state
        self._on_event = on_event

    def _take(self, name: str, data: JsonObject) -> None:
        if name == "removed":
            self._on_event({"event": name, "document": data})
        elif name in ("state", "updated"):
            revision = int(data["revision"])
            if self.opened:
                self._on_event({"event": "updated", "document": data})
            else:
                self._address = data["sid"]
                self._on_state(self._address, {"created": self._created, "document": data})
                self.opened = True
            self._revision = revision

    def _removal(self) -> JsonObject:
        return {"sid": self._address}
