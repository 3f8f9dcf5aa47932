"""Requests for items as SDKs of the vendor make them, and their replies."""

from __future__ import annotations

from dataclasses import dataclass, field
from http import HTTPStatus

from syncline import JsonObject

from .collection import Collection
from .operation import Operation, Reply

__all__ = ["Request", "is_success", "may_succeed_later", "path_of", "reply_of", "request_of"]

_METHODS = {"put": "PUT", "update": "POST", "remove": "DELETE"}


@dataclass(frozen=True, slots=True)
class Request:
    """An HTTP request through Twilsock."""

    method: str
    path: str
    body: JsonObject | None = None
    params: JsonObject = field(default_factory=dict)
    headers: JsonObject = field(default_factory=dict)


def path_of(collection: Collection) -> str:
    """Where it is."""
    return f"/v3/Services/{collection.service_sid}/{collection.path}"


def request_of(collection: Collection, operation: Operation, op: str) -> Request:
    """The request of a write; `op` is its operation id."""
    path, headers = path_of(collection), {"Twilio-Request-Id": op}
    if operation.if_match is not None:
        headers["If-Match"] = str(operation.if_match)
    body = operation.members
    if operation.do == "publish":
        return Request("POST", f"{path}/Messages", body, headers=headers)
    if operation.do == "add":
        key = {} if operation.key is None else {"key": operation.key}
        return Request("POST", f"{path}/Items", {**key, **body}, headers=headers)
    assert operation.key is not None
    place = f"/v3/Services/{collection.service_sid}/{collection.item_path(operation.key)}"
    method = _METHODS[operation.do]
    return Request(method, place, body if method != "DELETE" else None, headers=headers)


def reply_of(collection: Collection, operation: Operation, body: JsonObject) -> Reply:
    """What a reply says of a write that was applied."""
    if operation.do == "publish":
        return Reply(keys=(None,), revisions=(None,))
    key = body.get(collection.id_name, operation.key)
    revision = body.get("revision")
    return Reply(
        keys=(None if key is None else str(key),),
        revisions=(None if revision is None else int(revision),),
    )


def is_success(status: int) -> bool:
    """True of a request that was carried out."""
    return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES


def may_succeed_later(status: int) -> bool:
    """True of a refusal for the moment."""
    return status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR
