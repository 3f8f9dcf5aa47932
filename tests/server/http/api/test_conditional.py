"""`If-None-Match`: reads that are answered 304, and writes that are refused with 412."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from support.api import DocumentsApi, unique
from support.server import RunningServer


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


def unless(value: str) -> dict[str, Any]:
    return {"headers": {"If-None-Match": value}}


@pytest.mark.parametrize("form", ["{}", '"{}"', 'W/"{}"', '"1", W/"{}"', "*"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_read_of_what_the_caller_has_is_304(api: DocumentsApi, form: str, method: str) -> None:
    document = api.create()
    reply = api.call(method, document["sid"], **unless(form.format(document["revision"])))
    assert (reply.status_code, reply.content) == (304, b"")
    assert reply.headers["ETag"] == document["revision"]


def test_a_read_of_what_has_changed_is_the_newest_state(api: DocumentsApi) -> None:
    document = api.create()
    newer = api.call("POST", document["sid"], data={"Data": '{"n":1}'}).json()
    reply = api.call("GET", document["sid"], **unless(f'"{document["revision"]}"'))
    assert (reply.status_code, reply.json()["revision"]) == (200, newer["revision"])
    assert api.call("GET", document["sid"], **unless('"1')).json()["code"] == 54003


def test_a_star_creates_only_what_is_not_there(api: DocumentsApi) -> None:
    name = unique()
    made = api.call("POST", data={"UniqueName": name, "Data": '{"n":1}'}, **unless("*"))
    again = api.call("POST", data={"UniqueName": name, "Data": '{"n":2}'}, **unless("*"))
    assert (made.status_code, again.status_code) == (201, 412)
    assert again.json()["code"] == 54103
    assert api.fetch(name)["data"] == {"n": 1}
    # Without the condition it is what it was.
    assert api.call("POST", data={"UniqueName": name}).status_code == 409


@pytest.mark.parametrize("value", ["*", "{}", 'W/"{}"'])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_to_a_state_that_is_named_is_refused(
    api: DocumentsApi, method: str, value: str
) -> None:
    document = api.create(Data='{"n":1}')
    condition = unless(value.format(document["revision"]))
    reply = write(api, method, document["sid"], condition)
    assert (reply.status_code, reply.json()["code"]) == (412, 54103)
    assert api.fetch(document["sid"]) == document


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_write_to_another_state_is_executed(api: DocumentsApi, method: str) -> None:
    document = api.create(Data='{"n":1}')
    assert write(api, method, document["sid"], unless('"1", "2"')).status_code in (200, 204)


def test_a_write_to_what_is_not_there_is_not_found(api: DocumentsApi) -> None:
    assert write(api, "POST", unique(), unless("*")).status_code == 404


def write(api: DocumentsApi, method: str, address: str, condition: dict[str, Any]) -> Any:
    body: dict[str, Any] = {"data": {"Data": '{"n":2}'}} if method == "POST" else {}
    if method == "PATCH":
        condition["headers"]["Content-Type"] = "application/json-patch+json"
        body = {"content": b'[{"op":"replace","path":"/n","value":2}]'}
    return api.call(method, address, **body, **condition)
