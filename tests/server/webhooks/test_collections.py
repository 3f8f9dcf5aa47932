"""What a receiver gets of lists, maps, streams and their items."""

from __future__ import annotations

import pytest

from support.account import Account
from support.collections import CollectionsApi
from support.receiver import Receiver
from support.server import StartServer


@pytest.mark.parametrize("plural", ["Lists", "Maps"])
async def test_every_change_of_an_item_is_reported_in_order(
    fresh_server: StartServer, plural: str
) -> None:
    server = fresh_server("--webhook-networks=127.0.0.0/8")
    kind = plural[:-1]
    is_map = kind == "Map"
    async with Receiver() as receiver:
        with Account(server) as account:
            wanted = {"WebhookUrl": receiver.url, "WebhooksFromRestEnabled": "true"}
            service = account.service(**wanted)
        with CollectionsApi(server, plural, service=service) as api:
            sid = api.create(UniqueName="named")["sid"]
            item = api.add(sid, data={"n": 1}, **({"key": "a/b"} if is_map else {}))
            item_id = "a/b" if is_map else 0
            api.ok("POST", sid, "Items", item_id, json={"data": {"n": 2}})
            more = [
                {"op": "add", "data": {"n": 3}} | ({"key": "c"} if is_map else {}),
                {"op": "remove"} | ({"key": "a/b"} if is_map else {"index": 0}),
            ]
            batch = api.ok("POST", sid, "Batch", json={"operations": more})
            api.add(sid, data={"n": 4}, ttl=1, **({"key": "brief"} if is_map else {}))
            taken = await receiver.until_taken(7)
            api.ok("DELETE", sid)
            taken = await receiver.until_taken(8)
    lower = kind.lower()
    assert [each.kind for each in taken] == [
        f"{lower}_created",
        f"{lower}_item_added",
        f"{lower}_item_updated",
        f"{lower}_item_added",
        f"{lower}_item_removed",
        f"{lower}_item_added",
        f"{lower}_item_removed",
        f"{lower}_removed",
    ]
    ids = ["a/b", "a/b", "c", "a/b", "brief", "brief"] if is_map else ["0", "0", "1", "0", "2", "2"]
    forms = [each.form for each in taken]
    assert [form["ItemKey" if is_map else "ItemIndex"] for form in forms[1:-1]] == ids
    assert [form["ItemData"] for form in forms[1:-1]] == [
        f'{{"n":{number}}}' for number in (1, 2, 3, 2, 4, 4)
    ]
    assert forms[1]["ItemRevision"] == forms[1]["EventId"] == item["revision"]
    assert [form["ItemRevision"] for form in forms[3:5]] == [
        each["revision"] for each in batch["items"]
    ]
    assert all(form[f"{kind}Sid"] == sid for form in forms)
    assert all(form[f"{kind}UniqueName"] == "named" for form in forms)
    assert forms[6]["Identity"] == "system"
    assert forms[3][f"{kind}Revision"] == forms[4][f"{kind}Revision"] == batch["revision"]
    revisions = [int(form[f"{kind}Revision"]) for form in forms]
    assert revisions == sorted(revisions)
