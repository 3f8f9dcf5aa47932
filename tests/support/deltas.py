"""The state that a client keeps of a document for which it receives deltas."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from syncline_protocol.deltas import applied

__all__ = ["Mirror"]


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
