"""What is sent in a form, a place or a spelling that is not taken: refused with what was meant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.api import DocumentsApi, unique
from support.keys import KeysApi
from support.server import RunningServer

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}

PATCH_TYPES = [
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/vnd.syncline.increment+json",
]


@pytest.fixture
def api(server: RunningServer) -> Iterator[DocumentsApi]:
    with DocumentsApi(server) as api:
        yield api


@pytest.fixture
def name(api: DocumentsApi) -> str:
    """Of a document that is there."""
    made = unique()
    api.create(UniqueName=made, Data='{"a":1}')
    return made


def refused(reply: httpx2.Response, *words: str, status: int = 400, code: int = 20001) -> None:
    body = reply.json()
    assert (reply.status_code, body["code"]) == (status, code), body
    for word in words:
        assert word in body["message"], body["message"]


def everything(api: DocumentsApi, name: str) -> list[tuple[str, ...]]:
    """Method and address of each request that takes a body of parameters."""
    return [("POST",), ("POST", name)]


@pytest.mark.parametrize(
    "text", ['{"UniqueName":"x","Data":{}}', ' [{"a":"b=c&d"}]', '{"a":"100%"}', '\n{"Data":{}}']
)
def test_json_that_is_called_a_form_is_refused(api: DocumentsApi, name: str, text: str) -> None:
    for method, *address in everything(api, name):
        reply = api.call(method, *address, content=text, headers=FORM)
        refused(reply, "looks like JSON", "application/json")
    assert api.fetch(name)["data"] == {"a": 1}


def test_so_it_is_by_services_permissions_and_keys(
    server: RunningServer, api: DocumentsApi, name: str
) -> None:
    documents = "/v1/Services/default/Documents"
    with httpx2.Client(base_url=server.url, auth=server.basic) as http:
        for path in (
            "/v1/Services",
            "/v1/Services/default",
            "/v1/Keys",
            f"{documents}/{name}/Permissions/alice",
        ):
            refused(http.post(path, content='{"a":1}', headers=FORM), "looks like JSON")
            refused(http.post(path, data={"Nonsense": "1"}), "'Nonsense'")
            refused(http.post(path, json={"Nonsense": 1}), "'Nonsense'")
            refused(http.post(f"{path}?FriendlyName=a"), "'FriendlyName' in the query", "body")
        refused(http.post("/v1/Keys", data={"loginOnly": "true"}), "LoginOnly was meant")
        path = f"{documents}/{name}/Permissions/alice"
        refused(http.post(path, data={"READ": "true"}), "Read was meant")
        for path in ("/v1/Services", "/v1/Keys", documents, f"{documents}/{name}/Permissions"):
            refused(http.get(f"{path}?pageSize=1"), "'pageSize' in the query", "PageSize was meant")
    with KeysApi(server) as keys:
        assert "Nonsense" not in str(keys.http.get(f"{server.url}/v1/Keys").json())


def test_a_form_that_is_called_json_is_refused(api: DocumentsApi, name: str) -> None:
    for method, *address in everything(api, name):
        reply = api.call(method, *address, content="Data=%7B%7D", headers=JSON)
        refused(reply, "looks like a form", "application/x-www-form-urlencoded", code=54008)


@pytest.mark.parametrize(
    ("parameters", "meant"),
    [
        ({"uniqueName": "x"}, "UniqueName"),
        ({"Data": "{}", "TTL": "60"}, "Ttl"),
        ({"Data": "{}", "time_to_live": "60"}, None),
    ],
)
@pytest.mark.parametrize("kind", ["data", "json"])
def test_a_misspelt_parameter_creates_nothing(
    api: DocumentsApi, kind: str, parameters: dict[str, str], meant: str | None
) -> None:
    wrong = next(name for name in parameters if name != "Data")
    request: dict[str, Any] = {kind: parameters}
    reply = api.call("POST", **request)
    refused(reply, f"'{wrong}' in the body", *([] if meant is None else [f"{meant} was meant"]))
    assert ("was meant" in reply.text) == (meant is not None)


def test_an_update_gives_no_name(api: DocumentsApi, name: str) -> None:
    reply = api.call("POST", name, data={"UniqueName": "other", "Data": '{"a":2}'})
    refused(reply, "'UniqueName'", "Allowed parameters: Data, Ttl.")
    assert api.fetch(name)["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("method", "query"),
    [
        ("POST", {"Data": '{"a":2}'}),
        ("POST", {"If-Match": "1"}),
        ("DELETE", {"IfMatch": "1"}),
        ("PATCH", {"TTL": "1"}),
        ("PATCH", {"Data": "{}"}),
    ],
)
def test_a_write_takes_no_unknown_query(
    api: DocumentsApi, name: str, method: str, query: dict[str, str]
) -> None:
    body: dict[str, Any] = {"data": {"Data": '{"a":2}'}} if method == "POST" else {}
    if method == "PATCH":
        body = {"content": '{"a":2}', "headers": {"Content-Type": PATCH_TYPES[0]}}
    reply = api.call(method, name, params=query, **body)
    refused(reply, f"'{next(iter(query))}' in the query")
    assert ("Ttl was meant" in reply.text) == ("TTL" in query)
    assert api.fetch(name)["data"] == {"a": 1}


def test_what_helpers_and_caches_add_to_a_query_stays_harmless(
    api: DocumentsApi, name: str
) -> None:
    assert api.page(PageSize=1, Page=0, HideExpired="true", _=17, cache="no")["meta"]
    reply = api.call("GET", name, params={"HideExpired": "true", "t": "17"})
    assert reply.status_code == 200
    assert api.call("POST", name, params={"_": "17"}, data={"Ttl": "60"}).status_code == 200
    patch = {"content": '{"a":2}', "headers": {"Content-Type": PATCH_TYPES[0]}}
    assert api.call("PATCH", name, params={"Ttl": "60"}, **patch).status_code == 200


@pytest.mark.parametrize(
    "media_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)
def test_a_patch_of_another_type_says_which_types_there_are(
    api: DocumentsApi, name: str, media_type: str
) -> None:
    headers = {"Content-Type": media_type} if media_type else {}
    reply = api.call("PATCH", name, content=b'{"a":2}', headers=headers)
    refused(reply, *PATCH_TYPES, status=415, code=20415)
    assert reply.headers["Accept-Patch"] == ", ".join(PATCH_TYPES)


def test_the_options_of_a_document_say_so_too(api: DocumentsApi, name: str) -> None:
    assert api.call("OPTIONS", name).headers["Accept-Patch"] == ", ".join(PATCH_TYPES)
    assert "Accept-Patch" not in api.call("OPTIONS").headers
