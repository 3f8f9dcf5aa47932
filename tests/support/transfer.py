"""Helpers to test an import from one server into another."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson

from support.api import DocumentsApi
from support.server import RunningServer

__all__ = ["contents", "counts", "emptied", "environ_of", "everything", "fill"]


def environ_of(source: RunningServer, target: RunningServer) -> dict[str, str]:
    """Environment variables of an import: the logins and URLs of both servers."""
    return {
        "SYNCLINE_URL": target.url,
        "SYNCLINE_ACCOUNT_SID": target.basic[0],
        "SYNCLINE_AUTH_TOKEN": target.basic[1],
        "SYNCLINE_FROM_URL": source.url,
        "SYNCLINE_FROM_ACCOUNT_SID": source.basic[0],
        "SYNCLINE_FROM_AUTH_TOKEN": source.basic[1],
    }


def everything(api: DocumentsApi) -> list[Any]:
    """All documents of a service."""
    page = api.page(PageSize=100)
    documents = list(page["documents"])
    while page["meta"]["next_page_url"]:
        page = api.page(page["meta"]["next_page_url"])
        documents += page["documents"]
    return documents


def emptied(server: RunningServer) -> RunningServer:
    """Remove all documents of the default service; start the server again if it has ended."""
    if server.process.poll() is not None:
        server.restart()
    with DocumentsApi(server) as api:
        for document in everything(api):
            api.call("DELETE", document["sid"])
    return server


def contents(api: DocumentsApi) -> Counter[tuple[str | None, bytes]]:
    """How many documents of a service have each pair of name and data."""
    return Counter(
        (document["unique_name"], orjson.dumps(document["data"])) for document in everything(api)
    )


def fill(api: DocumentsApi, count: int, *, every: int = 10) -> None:
    """Create `count` documents with different data; one in `every` has no name."""
    for number in range(count):
        named = {} if number % every == 0 else {"UniqueName": f"n{number}"}
        api.create(**named, Data=f'{{"number": {number}}}')


def counts(**given: int) -> dict[str, int]:
    """The summary of an import; counts that are not given are 0."""
    return dict.fromkeys(("created", "replaced", "skipped", "expired", "failed"), 0) | given
