from __future__ import annotations

import pytest

from syncline_server.webhooks.events import QueuedEvent
from syncline_server.webhooks.form import parameters

ACCOUNT, SERVICE, SID = f"AC{'0' * 32}", f"IS{'0' * 32}", f"ET{'0' * 32}"
COMMON = {"AccountSid": ACCOUNT, "ServiceSid": SERVICE, "Identity": "alice"}


def test_a_document_is_reported_with_its_data() -> None:
    event = QueuedEvent(
        "1-0", "00", "document_updated", SID, "alice", "EP1", "prefs", "7", '{"a":1}'
    )
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": "document_updated",
        "EndpointId": "EP1",
        "DocumentSid": SID,
        "DocumentUniqueName": "prefs",
        "DocumentRevision": "7",
        "DocumentData": '{"a":1}',
    }


def test_what_there_is_none_of_is_omitted() -> None:
    event = QueuedEvent("1-0", "00", "document_removed", SID, "alice", revision="8")
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": "document_removed",
        "DocumentSid": SID,
        "DocumentRevision": "8",
    }


@pytest.mark.parametrize("kind", ["endpoint_connected", "endpoint_disconnected"])
def test_an_endpoint_has_no_object(kind: str) -> None:
    event = QueuedEvent("1-0", "00", kind, "alice", "alice", "EP1")
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": kind,
        "EndpointId": "EP1",
    }
