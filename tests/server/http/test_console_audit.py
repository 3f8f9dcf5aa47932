"""What the console changes has an audit line, which says who, from where and what."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.api import unique
from support.server import RunningServer

SECRET = "of-the-data"
DATA = {"Data": {"a": SECRET}}


class Console:
    """Sends requests as the page does, and finds their audit lines."""

    def __init__(self, server: RunningServer) -> None:
        self.server = server
        self.http = httpx2.Client(base_url=f"{server.url}/v1/", auth=server.basic)

    def send(
        self, method: str, path: str, body: Any = None, *, is_console: bool = True
    ) -> tuple[Any, list[str]]:
        """The JSON of the reply, and the audit lines of the request."""
        request_id = unique("R")
        headers = {"X-Request-Id": request_id}
        if is_console:
            headers["Syncline-Console"] = "1"
        reply = self.http.request(method, path, json=body, headers=headers)
        assert reply.status_code < 300, reply.text
        lines = self.server.log.read_text().splitlines()
        found = [line for line in lines if f"request={request_id} " in line and ".audit:" in line]
        return (reply.json() if reply.content else None), found

    def change(self, method: str, path: str, body: Any, action: str, *known: str) -> Any:
        """Send a write that must have one line, with `action` and `known`."""
        reply, lines = self.send(method, path, body)
        [line] = lines
        assert f"syncline.audit: {action} " in line
        for each in (*known, "via=console", "identity=system", "outcome=done"):
            assert f" {each}" in line
        assert re.search(r" peer=127\.0\.0\.1:\d+ ", line)
        assert SECRET not in line
        return reply


@pytest.fixture
def console(server: RunningServer) -> Iterator[Console]:
    console = Console(server)
    with console.http:
        yield console


def test_each_write_of_data_has_one_line(console: Console) -> None:
    service = console.change("POST", "Services", {}, "service created")["sid"]
    at = f"Services/{service}"
    known = f"service={service}"
    document = console.change("POST", f"{at}/Documents", DATA, "document created", known)["sid"]
    assert f"object={document}" in console.server.log.read_text()
    one = f"{at}/Documents/{document}"
    subject = known, f"object={document}"
    console.change("POST", one, DATA, "document updated", *subject)
    console.change("POST", one, {"Ttl": 100}, "document updated", *subject)
    console.change("DELETE", one, None, "document removed", *subject)

    for plural, key in (("Lists", None), ("Maps", "k")):
        noun = plural[:-1].lower()
        sid = console.change("POST", f"{at}/{plural}", {}, f"{noun} created", known)["sid"]
        items, subject = f"{at}/{plural}/{sid}/Items", (known, f"object={sid}")
        new = DATA if key is None else {"Key": key, **DATA}
        made = console.change("POST", items, new, "item created", *subject)
        item = made["index"] if key is None else key
        one, of_item = f"{items}/{item}", (*subject, f"item={item}")
        console.change("POST", one, DATA, "item updated", *of_item)
        console.change("DELETE", one, None, "item removed", *of_item)
        console.change("POST", f"{at}/{plural}/{sid}", {"Ttl": 9}, f"{noun} updated", *subject)
    console.change("PUT", f"{items}/p", DATA, "item created", *subject, "item=p")
    batch = {"operations": [{"op": "put", "key": "b", "data": DATA["Data"]}]}
    console.change("POST", f"{at}/Maps/{sid}/Batch", batch, "items updated", *subject)

    stream = console.change("POST", f"{at}/Streams", {}, "stream created", known)["sid"]
    messages = f"{at}/Streams/{stream}/Messages"
    console.change("POST", messages, DATA, "message published", f"object={stream}")


def test_other_changes_have_no_second_line(console: Console) -> None:
    service = console.change("POST", "Services", {}, "service created")["sid"]
    at = f"Services/{service}"
    console.change("POST", at, {"AclEnabled": True}, "service updated")
    document = console.send("POST", f"{at}/Documents", {})[0]["sid"]
    permission = f"{at}/Documents/{document}/Permissions/ada"
    console.change("POST", permission, {"Read": True}, "permission set", "whose=ada")
    console.change("DELETE", permission, None, "permission removed", "whose=ada")
    key = console.change("POST", "Keys", {}, "key added")["sid"]
    console.change("DELETE", f"Keys/{key}", None, "key revoked", f"object={key}")
    console.change("DELETE", at, None, "service deleted")


def test_reads_and_what_programs_write_have_none(console: Console) -> None:
    at = "Services/default/Documents"
    assert console.send("GET", at)[1] == []
    assert console.send("POST", at, DATA, is_console=False)[1] == []


def test_a_refused_write_is_not_one_that_was_made(console: Console) -> None:
    where = f"{console.server.url}/v1/Services/default/Documents/none"
    headers = {"Syncline-Console": "1", "X-Request-Id": unique("R")}
    reply = httpx2.post(where, json=DATA, headers=headers, auth=console.server.basic)
    assert reply.status_code == 404
    # The header gives no rights, and nobody else a line.
    token = {"Authorization": f"Bearer {console.server.token()}"}
    reply = httpx2.delete(where, headers={**headers, **token})
    assert reply.status_code == 404
    log = console.server.log.read_text()
    assert not re.search(rf"audit: .*request={headers['X-Request-Id']} ", log)
