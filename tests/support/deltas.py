"""The state that a client keeps of a document, or of a map, for which it receives deltas."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from syncline_protocol.deltas import applied

__all__ = ["ItemsMirror", "Mirror"]


class Mirror:
    """The state of one document, built from messages of a raw socket; asserts that each is valid.

    Attributes:
        sid: SID of the document.
        data, revision: the state after the reply to `open`, or after the last event.
        forms: number of events that were `whole`, a `delta`, or `bare`.
        written: data of the test's own writes by revision, needed if their events are bare.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.sid: str = document["sid"]
        self.data: Any = document["data"]
        self.revision: str = document["revision"]
        self.forms: Counter[str] = Counter()
        self.written: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Apply an `updated` event."""
        assert event["event"] == "updated"
        document = event["document"]
        assert int(document["revision"]) > int(self.revision)
        if "data" in document:
            form, self.data = "whole", document["data"]
            assert "delta" not in document
        elif "delta" in document:
            form = "delta"
            assert document["previous_revision"] == self.revision
            operations, digest = document["delta"]["operations"], document["delta"]["digest"]
            self.data = orjson.loads(applied(orjson.dumps(self.data), operations, digest))
        else:
            form, self.data = "bare", self.written[document["revision"]]
        self.forms[form] += 1
        self.revision = document["revision"]


class ItemsMirror:
    """The items of one map, built from messages of a raw socket; asserts that each is valid.

    Attributes:
        sid: SID of the map.
        items: revision and data by key.
        revision: of the map, after the reply to `open` or the last event.
        forms: number of changes that were `whole`, a `delta`, `bare`, or `removed`.
        written: data of the test's own writes by revision, needed if their events are bare.
    """

    def __init__(self, ok: dict[str, Any]) -> None:
        self.sid: str = ok["map"]["sid"]
        self.revision: str = ok["map"]["revision"]
        self.items = {item["key"]: (item["revision"], item["data"]) for item in ok["items"]}
        self.forms: Counter[str] = Counter()
        self.written: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Apply an `items` event."""
        assert event["event"] == "items", event
        assert int(event["map"]["revision"]) > int(self.revision)
        self.revision = event["map"]["revision"]
        for change in event["changes"]:
            self._apply(change)

    def _apply(self, change: dict[str, Any]) -> None:
        key, revision = change["key"], change["revision"]
        if change["kind"] == "removed":
            assert "delta" not in change
            self.forms["removed"] += 1
            self.items.pop(key, None)
            return
        if "data" in change:
            form, data = "whole", change["data"]
            assert "delta" not in change and "previous_revision" not in change
        elif "delta" in change:
            form = "delta"
            before, data = self.items[key]
            assert change["kind"] == "updated" and change["previous_revision"] == before
            operations, digest = change["delta"]["operations"], change["delta"]["digest"]
            data = orjson.loads(applied(orjson.dumps(data), operations, digest))
        else:
            form, data = "bare", self.written[revision]
        self.forms[form] += 1
        self.items[key] = (revision, data)
