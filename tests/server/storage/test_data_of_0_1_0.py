"""Data of version 0.1.0, whose server had one script for documents and no other types, stays.

`data_of_0_1_0.tar.gz` holds a data directory of that version's server, made over REST, and
`state.json`, what that server answered. One document expires in the year 2100.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from support.account import Account
from support.server import RunningServer
from syncline import connect

ARCHIVE = Path(__file__).with_name("data_of_0_1_0.tar.gz")
NAMES = ("prefs", "moved in", "timed", "näme/😀")


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture(scope="module")
def state(unpacked: Path) -> Any:
    return json.loads((unpacked / "state.json").read_bytes())


@pytest.fixture(scope="module")
def server(unpacked: Path) -> Iterator[RunningServer]:
    with RunningServer(unpacked / "data") as running:
        yield running


@pytest.fixture
def account(server: RunningServer) -> Iterator[Account]:
    with Account(server) as account:
        yield account


def bare(resource: dict[str, Any]) -> dict[str, Any]:
    """Without the URLs, which name the server's port."""
    return {name: value for name, value in resource.items() if name not in ("url", "links")}


def test_every_document_is_as_it_was(account: Account, state: Any) -> None:
    service = state["service"]
    for known in state["documents"]:
        for address in filter(None, (known["sid"], known["unique_name"])):
            found = account.ok("GET", service, "Documents", address)
            # The answer of the old server came before its expiry was set to the year 2100.
            if known["unique_name"] == "timed":
                assert found.pop("date_expires") == "2100-01-01T00:00:00Z"
                known = {**known, "date_expires": None}
                found["date_expires"] = None
            assert bare(found) == bare(known)
    listed = account.ok("GET", service, "Documents")["documents"]
    assert [each["sid"] for each in listed] == sorted(each["sid"] for each in state["documents"])
    assert account.call("GET", service, "Documents", "gone").status_code == 404


def test_permissions_the_key_and_parked_webhooks_are_as_they_were(
    server: RunningServer, account: Account, state: Any
) -> None:
    service = state["service"]
    for address, known in state["permissions"].items():
        found = account.ok("GET", service, "Documents", address, "Permissions")["permissions"]
        assert [bare(each) for each in found] == [bare(each) for each in known]
    parked = account.ok("GET", service, "ParkedWebhooks")["parked_webhooks"]
    assert [bare(each) for each in parked] == [bare(each) for each in state["parked"]]
    key = (state["key"]["sid"], state["key"]["secret"])
    assert httpx2.get(f"{server.url}/v1/Services/{service}", auth=key).status_code == 200


async def test_revisions_go_on_and_names_stay_taken(
    server: RunningServer, account: Account, state: Any
) -> None:
    service = state["service"]
    revisions = {each["unique_name"]: each["revision"] for each in state["documents"]}
    for name in NAMES:
        taken = account.call("POST", service, "Documents", data={"UniqueName": name})
        assert taken.status_code == 409
        written = account.ok(
            "POST",
            service,
            "Documents",
            name,
            data={"Data": '{"n":10}'},
            headers={"If-Match": revisions[name]},
        )
        assert int(written["revision"]) > int(revisions[name])
    # Its identity has the right by a permission that the old server stored.
    async with connect(server.url, token=server.token("alice", service=service)) as client:
        prefs = await client.document("prefs")
        assert prefs.data == {"n": 10}
        await prefs.set({"n": 11})
    account.ok("DELETE", service, "Documents", "moved in")
    again = account.ok("POST", service, "Documents", data={"UniqueName": "moved in"})
    assert again["sid"][:2] == "ET"
