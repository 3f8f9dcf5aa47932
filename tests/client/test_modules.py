"""The modules of the Python client and of the JavaScript client have the same names."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]

PYTHON_ONLY = {
    *(
        "connector",
        "opening",
        "pending",
        "proxies",
        "request_members",
        "rest_calls",
        "rest_documents",
    ),
    *("collection_callbacks", "document_callbacks", "listening"),
    *("display", "item_waiting", "model_data", "type_variables", "waiting"),
}
"""JavaScript connects in the constructor of `Client`, and opens objects in its methods; a browser
chooses the proxy itself. Its types are checked before it runs, so they need no code, and its JSON
cannot hold NaN. The rest is for decorators, notebooks and `wait_for`, and for what the clients of
back ends share."""

JAVASCRIPT_ONLY = {
    "data",
    "debug",
    "event_sources",
    "item_requests",
    "protocol",
    "queue",
    "wakeups",
}
"""What `syncline_protocol`, `asyncio`, `logging` and bytes give to Python; what its handles and
streams do themselves; and events that only a page has."""


def python_names(folder: str) -> set[str]:
    return {path.stem for path in (ROOT / folder).glob("*.py")} - {"__init__"}


def javascript_names() -> set[str]:
    """In Python's spelling."""
    folder = ROOT / "clients/js/src/syncline"
    return {path.stem.replace("-", "_") for path in folder.glob("*.js")}


def test_the_modules_of_both_clients_bear_the_same_names() -> None:
    client = python_names("clients/python/syncline")
    shared = javascript_names() - JAVASCRIPT_ONLY

    assert client - PYTHON_ONLY <= shared
    assert shared - client <= python_names("protocol/syncline_protocol")
    assert JAVASCRIPT_ONLY <= javascript_names()
    assert PYTHON_ONLY <= client
