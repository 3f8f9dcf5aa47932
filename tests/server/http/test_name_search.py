"""Lists of the objects whose unique names begin with a prefix."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.server import RunningServer


@pytest.fixture(scope="module")
def service(server: RunningServer) -> Iterator[str]:
    """URL of a service with documents of its own."""
    services = f"{server.url}/v1/Services"
    with httpx2.Client(auth=server.basic) as http:
        sid = http.post(services, data={"FriendlyName": "names"}).json()["sid"]
        url = f"{services}/{sid}"
        for number in range(130):
            assert http.post(f"{url}/Documents", data={"UniqueName": f"room-{number:03}"})
        for name in ("room*", "roo?", "[room]", "\\room", "Room-1", "räume", "other"):
            assert http.post(f"{url}/Documents", data={"UniqueName": name}).status_code == 201
        http.post(f"{url}/Documents")
        http.post(f"{url}/Maps", data={"UniqueName": "room-map"})
        yield url
        http.delete(url)


def walk(server: RunningServer, url: str, prefix: str, **query: Any) -> list[str]:
    """The names on all pages."""
    found: list[str] = []
    with httpx2.Client(auth=server.basic) as http:
        reply = http.get(url, params={"NamePrefix": prefix, **query})
        while True:
            assert reply.status_code == 200, reply.text
            page = reply.json()
            plural = page["meta"]["key"]
            assert len(page[plural]) <= int(query.get("PageSize", 50))
            found += [each["unique_name"] for each in page[plural]]
            following = page["meta"]["next_page_url"]
            if following is None:
                return found
            reply = http.get(following)


@pytest.mark.parametrize("size", [1, 7, 50, 100])
def test_pages_of_any_size_have_each_of_them_once(
    server: RunningServer, service: str, size: int
) -> None:
    found = walk(server, f"{service}/Documents", "room-", PageSize=size)
    assert sorted(found) == [f"room-{number:03}" for number in range(130)]


@pytest.mark.parametrize(
    ("prefix", "names"),
    [
        ("room-00", {f"room-00{n}" for n in range(10)}),
        ("room*", {"room*"}),
        ("roo?", {"roo?"}),
        ("[room", {"[room]"}),
        ("\\", {"\\room"}),
        ("R", {"Room-1"}),
        ("rä", {"räume"}),
        ("other", {"other"}),
        ("others", set()),
        ("*", set()),
    ],
)
def test_every_character_of_the_prefix_means_itself(
    server: RunningServer, service: str, prefix: str, names: set[str]
) -> None:
    found = walk(server, f"{service}/Documents", prefix)
    assert set(found) == names and len(found) == len(names)


def test_each_type_has_names_of_its_own(server: RunningServer, service: str) -> None:
    assert walk(server, f"{service}/Maps", "room") == ["room-map"]
    assert walk(server, f"{service}/Lists", "room") == []


def test_an_empty_prefix_lists_all(server: RunningServer, service: str) -> None:
    assert len(walk(server, f"{service}/Documents", "", PageSize=100)) == 138


@pytest.mark.parametrize("token", ["nonsense", "PAenp6", "PBMDA6MDo"])
def test_a_token_of_another_list_is_refused(
    server: RunningServer, service: str, token: str
) -> None:
    query = {"NamePrefix": "room", "PageToken": token}
    reply = httpx2.get(f"{service}/Documents", params=query, auth=server.basic)
    assert (reply.status_code, reply.json()["code"]) == (400, 54453)


def test_a_token_holder_may_search_where_it_may_list(server: RunningServer, service: str) -> None:
    sid = service.rpartition("/")[2]
    token = server.token("ada", service=sid)
    headers = {"Authorization": f"Bearer {token}"}
    url = f"{service}/Documents?NamePrefix=room-01"
    assert len(httpx2.get(url, headers=headers).json()["documents"]) == 10
    httpx2.post(service, data={"AclEnabled": "true"}, auth=server.basic)
    assert httpx2.get(url, headers=headers).status_code == 403
