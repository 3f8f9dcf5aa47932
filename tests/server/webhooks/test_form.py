from __future__ import annotations

import pytest

from syncline_server.webhooks.events import QueuedEvent
from syncline_server.webhooks.form import parameters

ACCOUNT, SERVICE, SID = f"AC{'0' * 32}", f"IS{'0' * 32}", f"ET{'0' * 32}"
COMMON = {"AccountSid": ACCOUNT, "ServiceSid": SERVICE, "Identity": "alice"}


def test_a_document_is_reported_with_its_data() -> None:
    event = QueuedEvent(
        id="1-0",
        bucket="00",
        kind="document_updated",
        subject=SID,
        identity="alice",
        endpoint="EP1",
        name="prefs",
        revision="7",
        data='{"a":1}',
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
    event = QueuedEvent(
        id="1-0", bucket="00", kind="document_removed", subject=SID, identity="alice", revision="8"
    )
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": "document_removed",
        "DocumentSid": SID,
        "DocumentRevision": "8",
    }


@pytest.mark.parametrize("kind", ["endpoint_connected", "endpoint_disconnected"])
def test_an_endpoint_has_no_object(kind: str) -> None:
    event = QueuedEvent(
        id="1-0", bucket="00", kind=kind, subject="alice", identity="alice", endpoint="EP1"
    )
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": kind,
        "EndpointId": "EP1",
    }


@pytest.mark.parametrize(
    ("type_", "key", "id_field"),
    [("map", "a/b", {"ItemKey": "a/b"}), ("list", "0000000000000007", {"ItemIndex": "7"})],
)
def test_an_item_is_reported_with_its_collection(
    type_: str, key: str, id_field: dict[str, str]
) -> None:
    event = QueuedEvent(
        id="1-0",
        bucket="00",
        kind=f"{type_}_item_updated",
        subject=SID,
        identity="alice",
        name="players",
        revision="9",
        data='{"a":1}',
        item_key=key,
        item_revision="8",
    )
    kind = type_.capitalize()
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": f"{type_}_item_updated",
        f"{kind}Sid": SID,
        f"{kind}UniqueName": "players",
        f"{kind}Revision": "9",
        "EventId": "8",
        **id_field,
        "ItemRevision": "8",
        "ItemData": '{"a":1}',
    }


@pytest.mark.parametrize("type_", ["list", "map", "stream"])
def test_an_object_without_data_is_reported_without(type_: str) -> None:
    event = QueuedEvent(
        id="1-0", bucket="00", kind=f"{type_}_created", subject=SID, identity="alice", revision="7"
    )
    kind = type_.capitalize()
    assert parameters(event, ACCOUNT, SERVICE) == {
        **COMMON,
        "EventType": f"{type_}_created",
        f"{kind}Sid": SID,
        f"{kind}Revision": "7",
    }
