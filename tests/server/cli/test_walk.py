"""The walk of an export and an import through a service."""

from __future__ import annotations

from contextlib import closing

import orjson

from support.server import RunningServer
from support.service_api import ServiceApi, filled
from syncline_server.cli.access import Access
from syncline_server.cli.object_rest import open_service
from syncline_server.cli.walk import Position, ResourcePage, Walk


def resources(pages: list[ResourcePage]) -> list[bytes]:
    """The resources of some pages; those of permissions may come again after a position."""
    return [
        orjson.dumps(resource)
        for page in pages
        if not page.kind.endswith("_permission")
        for resource in page.resources
    ]


def test_a_walk_goes_on_from_each_position(source: RunningServer) -> None:
    with closing(ServiceApi(source)) as service:
        records = filled(service, 5)
        for number in range(3):
            form = {"UniqueName": f"d{number}", "Data": "{}"}
            service.call("POST", "Documents", data=form)
        access = Access(url=source.url, service=service.sid, basic=source.basic)
        with open_service(access) as api:
            pages = list(Walk(api, 2).pages(None))
            # Two permissions.
            assert len(resources(pages)) == records + 3 - 2
            assert len(set(resources(pages))) == len(resources(pages))
            for number, page in enumerate(pages[:-1]):
                assert page.position is not None
                position = Position.parse(page.position.text())
                rest = list(Walk(api, 2).pages(position))
                assert resources(rest) == resources(pages[number + 1 :])
            assert pages[-1].position is None


def test_a_position_of_an_earlier_version_is_a_page_of_documents() -> None:
    query = {"PageSize": "100", "Page": "1", "PageToken": "PTx"}
    position = Position.parse(orjson.dumps(query).decode())
    assert position == Position(type="documents", query=query)
