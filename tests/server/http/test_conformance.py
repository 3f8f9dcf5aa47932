"""The server does what its description says, whatever is asked of it.

Requests are drawn from `/openapi.json`: what it allows and what it forbids, of what is there and of
what is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
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


REFUSING = ["400", "404", "409", "412", "413", "415"]

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

ENDLESS = "StreamDocument"
"""A stream of a document that is there has no end."""

ASKING = [
    name
    for name, operation in OPERATIONS.items()
    if name != ENDLESS and (operation.body or operation.query or operation.headers)
]
"""Those that can be asked wrongly, wherever."""

bounded = of_hypothesis(
    max_examples=15,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_every_operation_is_asked_for() -> None:
    paths = description(Settings())["paths"].values()
    named = [operation["operationId"] for path in paths for operation in operations(path)]
    assert sorted(named) == sorted(OPERATIONS)


def operations(path: dict[str, Any]) -> list[Any]:
    return [operation for method, operation in path.items() if method != "parameters"]


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


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Things]:
    """On a server of its own: services and keys come and go."""
    with (
        RunningServer(tmp_path_factory.mktemp("conformance") / "data") as server,
        Account(server) as account,
        KeysApi(server) as keys,
    ):
        yield Things(server, account, keys)


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


@pytest.mark.parametrize("name", [name for name in OPERATIONS if name != ENDLESS])
def test_what_is_allowed_is_done(things: Things, name: str) -> None:
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


@pytest.mark.parametrize("name", ASKING)
def test_what_is_forbidden_is_refused(things: Things, name: str) -> None:
    operation = OPERATIONS[name]
    # What is refused removes nothing.
    there = things.addresses(name, unique("a/b"))

    @given(operation.as_strategy(NEGATIVE, path_parameters=placeholders(operation)))
    @bounded
    def run(case: Case[Any]) -> None:
        address(case, there)
        things.check(case, checks.negative_data_rejection)

    run()


ANYWHERE = [
    *((POSITIVE, name) for name in OPERATIONS),
    *((NEGATIVE, name) for name in [*ASKING, ENDLESS]),
]


@pytest.mark.parametrize(("mode", "name"), ANYWHERE)
def test_what_is_not_there_is_said_to_be_missing(
    things: Things, mode: GenerationMode, name: str
) -> None:
    @given(OPERATIONS[name].as_strategy(mode))
    @bounded
    def run(case: Case[Any]) -> None:
        things.check(case)

    run()
