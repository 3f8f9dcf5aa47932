"""Tests that the server does what its description says, whatever is asked of it.

Requests are drawn from `/openapi.json`: what it allows and what it forbids, of what is there and of
what is not. Each subclass of `Conformance` draws those of some operations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given
from hypothesis import settings as of_hypothesis
from schemathesis import APIOperation, Case, Config, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from support.account import Account
from support.api import unique
from support.keys import KeysApi
from support.server import RunningServer
from syncline_protocol.fields import OPERATION_LENGTH
from syncline_server.config.settings import Settings
from syncline_server.http.openapi.documents import description

__all__ = ["OPERATIONS", "Conformance", "Things", "operations_of"]

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE

Operation = APIOperation[Any, Any, Any, Any]

REPLY_CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]

UNSAYABLE = {
    54003: "a revision below 2^53",
    54008: "text that is JSON, and an object",
    54010: "Data that is not empty, in an update of nothing else",
    54051: "a URL with a host and, if any, a port",
    54156: "Data that is not empty, in a new item of a list",
    54206: "Data that is not empty, in a new item of a map",
    54251: "Data that is not empty, in a message",
    54453: "a token that a page gave",
    20422: "operations of a batch that name each item once",
}
"""What a schema cannot ask for: by the code with which it is refused."""


def without_security(node: Any) -> Any:
    """Else logins are drawn too; who has none is looked into by the matrix of permissions."""
    if isinstance(node, dict):
        return {key: without_security(node[key]) for key in node if key != "security"}
    return [without_security(each) for each in node] if isinstance(node, list) else node


REFUSING = ["400", "404", "409", "412", "413", "414", "415"]

described = schemathesis.openapi.from_dict(
    without_security(description(Settings())),
    config=Config.from_dict(
        {"checks": {"negative_data_rejection": {"expected-statuses": REFUSING}}}
    ),
)

OPERATIONS: dict[str, Operation] = {
    found.ok().definition.raw["operationId"]: found.ok()
    for found in described.get_all_operations()
    if isinstance(found, Ok)
}

bounded = of_hypothesis(
    max_examples=15,
    database=None,
    suppress_health_check=list(HealthCheck),
)


PLURALS = {
    "Documents": "Document",
    "Lists": "SyncList",
    "Maps": "SyncMap",
    "Streams": "Stream",
}
"""By the plural in paths: what the names of the operations of the type contain."""


class Things:
    """What the operations are about."""

    def __init__(self, server: RunningServer, account: Account, keys: KeysApi) -> None:
        self.url = server.url
        self.http = requests.Session()
        self.http.auth = server.basic
        self.http.headers["Host"] = f"127.0.0.1:{server.port}"
        self._account = account
        self._keys = keys
        self._service = account.service()
        self._key = keys.add().sid

    def addresses(self, operation: str, name: str = "a/b") -> dict[str, str]:
        """What is there for the next request of that operation; it may remove it.

        A new `name` is that of an object which no other request changes.
        """
        account = self._account
        plural = next((each for each in PLURALS if PLURALS[each] in operation), None)
        if plural is not None:
            account.call("POST", self._service, plural, data={"UniqueName": name})
        if plural is not None and "Permission" in operation:
            account.permit(self._service, name, "alice", "r", plural=plural)
        return {
            "service": account.service() if operation == "DeleteService" else self._service,
            **dict.fromkeys(("document", "list", "map", "stream"), name),
            "item": self._item(plural, name) if plural in ("Lists", "Maps") else "none",
            "identity": "alice",
            "key": self._keys.add().sid if operation == "RevokeKey" else self._key,
            "webhook": "none",
            "connection": f"CN{0:032x}",
        }

    def _item(self, plural: str, name: str) -> str:
        """An item that is there: of a map with a fixed key, of a list a new one."""
        new = {"Data": "{}"} | ({"Key": "c/d"} if plural == "Maps" else {})
        path = (self._service, plural, name, "Items")
        added = self._account.call("POST", *path, data=new)
        return "c/d" if plural == "Maps" else str(added.json()["index"])

    def check(self, case: Case[Any], *more: Any) -> Any:
        """The reply to a request, which must be as described."""
        if 1 <= len(case.headers.get("Idempotency-Key", "")) <= OPERATION_LENGTH:
            # One that came before would bring the answer of that time.
            case.headers["Idempotency-Key"] = unique()
        reply = case.call(base_url=self.url, session=self.http)
        case.validate_response(reply, checks=[*REPLY_CHECKS, *more])
        return reply


def address(case: Case[Any], addresses: Mapping[str, str]) -> None:
    case.path_parameters = {
        name: quote(addresses[name], safe="") for name in case.path_parameters or {}
    }


def whole(value: Any) -> Any:
    """With integers as every client writes them: to a schema, 1.0 is one too."""
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    is_complete = isinstance(value, float) and value.is_integer()
    return int(value) if is_complete and abs(value) < 2**53 else value


def placeholders(operation: Operation) -> dict[str, str]:
    return {parameter.name: "x" for parameter in operation.path_parameters}


def operations_of(plural: str | None) -> list[str]:
    """Names of the operations below `/Documents`, `/Lists`…, or of all others."""

    def plural_of(operation: Operation) -> str | None:
        return next((each for each in PLURALS if f"/{each}" in operation.path), None)

    return [name for name, operation in OPERATIONS.items() if plural_of(operation) == plural]


def is_endless(name: str) -> bool:
    """True for a stream of events: of an object that is there, it has no end."""
    return OPERATIONS[name].path.endswith("/Events")


def can_be_wrong(name: str) -> bool:
    """True for an operation that can be asked wrongly, wherever."""
    operation = OPERATIONS[name]
    return bool(operation.body or operation.query or operation.headers)


def ignores_ttl(case: Case[Any]) -> bool:
    """True for a wrong `Ttl` that is ignored, as the vendor does, beside one that counts more."""
    given = {*(case.query or ()), *(case.body if isinstance(case.body, dict) else ())}
    return "Ttl" in given and not given.isdisjoint(("CollectionTtl", "ItemTtl"))


class Conformance:
    """The tests; the fixture `things` is in the `conftest.py` beside the subclasses.

    Attributes:
        operations: names of the operations that they ask for.
    """

    operations: ClassVar[list[str]]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        # A tail of all events is there for everybody who may have it, and has no end.
        names = [name for name in self.operations if name != "TailEvents"]
        finite = [name for name in names if not is_endless(name)]
        wrong = [name for name in names if can_be_wrong(name)]
        if "mode" in metafunc.fixturenames:
            anywhere = [(POSITIVE, name) for name in names] + [(NEGATIVE, name) for name in wrong]
            metafunc.parametrize(("mode", "name"), anywhere)
        elif metafunc.function is type(self).test_what_is_allowed_is_done:
            metafunc.parametrize("name", finite)
        else:
            metafunc.parametrize("name", [name for name in finite if can_be_wrong(name)])

    def test_what_is_allowed_is_done(self, things: Things, name: str) -> None:
        operation = OPERATIONS[name]
        # What is read stays there.
        read = things.addresses(name, unique("a/b")) if operation.method == "get" else None

        @given(operation.as_strategy(POSITIVE, path_parameters=placeholders(operation)))
        @bounded
        def run(case: Case[Any]) -> None:
            address(case, read or things.addresses(name))
            case.body = whole(case.body)
            reply = things.check(case)
            if reply.status_code == 400:
                assert reply.json()["code"] in UNSAYABLE, reply.text
            assert reply.status_code not in (401, 403, 415), reply.text

        run()

    def test_what_is_forbidden_is_refused(self, things: Things, name: str) -> None:
        operation = OPERATIONS[name]
        # What is refused removes nothing.
        there = things.addresses(name, unique("a/b"))

        @given(operation.as_strategy(NEGATIVE, path_parameters=placeholders(operation)))
        @bounded
        def run(case: Case[Any]) -> None:
            address(case, there)
            refused = [] if ignores_ttl(case) else [checks.negative_data_rejection]
            things.check(case, *refused)

        run()

    def test_what_is_not_there_is_said_to_be_missing(
        self, things: Things, mode: GenerationMode, name: str
    ) -> None:
        @given(OPERATIONS[name].as_strategy(mode))
        @bounded
        def run(case: Case[Any]) -> None:
            things.check(case)

        run()
