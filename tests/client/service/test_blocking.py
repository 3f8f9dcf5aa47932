"""The blocking client is the async one, made blocking."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from support.back_end import open_service
from support.server import RunningServer
from syncline import AsyncService, Service, UsageError
from syncline.service import Document

ROOT = Path(__file__).parents[3]
GENERATE = [sys.executable, str(ROOT / "scripts/generate-blocking"), "--check"]


def test_the_blocking_client_is_not_stale() -> None:
    check = subprocess.run(GENERATE, capture_output=True, text=True)

    assert (check.returncode, check.stderr) == (0, "")


def test_nothing_of_the_blocking_client_is_async() -> None:
    for path in (ROOT / "clients/python/syncline/service/blocking").glob("*.py"):
        tree = ast.walk(ast.parse(path.read_text()))
        kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
        assert not [node for node in tree if isinstance(node, kinds)], path.name


def test_both_clients_offer_the_same() -> None:
    def offered(kind: type) -> set[str]:
        return {name for name, _ in inspect.getmembers(kind) if not name.startswith("_")}

    assert offered(Service) == offered(AsyncService)
    assert inspect.signature(Service).parameters == inspect.signature(AsyncService).parameters


def test_an_async_function_is_refused_by_mutate(server: RunningServer) -> None:
    with open_service("blocking", server) as service:
        document = service.documents.create(data={"n": 1})

        async def change(data: dict[str, int]) -> dict[str, int]:
            return data

        with pytest.raises(UsageError, match="AsyncService"):
            document.mutate(change)


def _typed(service: Service, asynchronous: AsyncService) -> None:
    """`mypy` checks this; it is not run."""
    document: Document = service.documents.create("a", {"n": 1})
    token: str = asynchronous.mint_token("alice")
    for key in service.maps.at(token):
        document.set({key: service.maps.at("m")[key].data})
    for index, item in service.lists.at("l").items():
        document.update({item.revision: index + 1})
    document.increment("/n", if_match="1")  # type: ignore[call-arg]
    service.maps.at("m")[1]  # type: ignore[index]
    service.lists.at("l")["a"] = {}  # type: ignore[index]
