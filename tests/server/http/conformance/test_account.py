from __future__ import annotations

from typing import Any

from support.conformance import OPERATIONS, Conformance, operations_of
from syncline_server.config.settings import Settings
from syncline_server.http.openapi.documents import description


class TestAccount(Conformance):
    """Services, keys and webhooks, and what is not below a service."""

    operations = operations_of(None)


def test_every_operation_is_asked_for() -> None:
    paths = description(Settings())["paths"].values()
    named = [operation["operationId"] for path in paths for operation in operations(path)]
    assert sorted(named) == sorted(OPERATIONS)


def operations(path: dict[str, Any]) -> list[Any]:
    return [operation for method, operation in path.items() if method != "parameters"]
