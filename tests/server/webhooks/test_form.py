from __future__ import annotations

import pytest

from syncline_protocol.items import index_key
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


@pytest.mark.parametrize(
    ("type_", "prefix", "key", "shown"),
    [
        ("List", "ES", index_key(0), {"ItemIndex": "0"}),
        ("List", "ES", index_key(12_000), {"ItemIndex": "12000"}),
        ("Map", "MP", "0012", {"ItemKey": "0012"}),
        ("Map", "MP", "a_b/ü", {"ItemKey": "a_b/ü"}),
    ],
)
def test_an_item_is_reported_with_its_collection(
    type_: str, prefix: str, key: str, shown: dict[str, str]
) -> None:
    event = QueuedEvent(
        id="1-0",
        bucket="00",
        kind=f"{type_.lower()}_item_removed",
        subject=prefix + "0" * 32,
        identity="alice",
        revision="9",
        data='{"a":1}',
        item_key=key,
        item_revision="9",
    )
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        **shown,
        "EventType": f"{type_.lower()}_item_removed",
        f"{type_}Sid": prefix + "0" * 32,
        f"{type_}Revision": "9",
        "EventId": "9",
        "ItemRevision": "9",
        "ItemData": '{"a":1}',
    }


@pytest.mark.parametrize("kind", ["endpoint_connected", "endpoint_disconnected"])
def test_an_endpoint_has_no_object(kind: str) -> None:
    event = QueuedEvent("1-0", "00", kind, "alice", "alice", "EP1")
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": kind,
        "EndpointId": "EP1",
    }
