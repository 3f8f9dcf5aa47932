"""A document as a client keeps it that asked for deltas."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from syncline_protocol.deltas import applied

__all__ = ["Mirror"]


class Mirror:
    """What the messages of a raw socket tell of one document; an event that cannot be fails.

    Attributes:
        sid: of the document.
        data, revision: the state that the last reply to `open`, or the last event, told.
        forms: how many events were `whole`, a `delta`, or `bare`.
        written: the data of own writes, by revision, for who expects their events to be bare.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.sid: str = document["sid"]
        self.data: Any = document["data"]
        self.revision: str = document["revision"]
        self.forms: Counter[str] = Counter()
        self.written: dict[str, Any] = {}

    def take(self, event: dict[str, Any]) -> None:
        """Take an `updated` event."""
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
