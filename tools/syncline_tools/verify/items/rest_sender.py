"""Writes of items over REST, through one link."""

from __future__ import annotations

from collections.abc import Callable

import httpx2
import orjson

from .collection import Collection
from .operation import ABSENT, Operation, Reply, batch_member
from .rest import Rest

__all__ = ["RestSender"]

_METHODS = {"add": "POST", "put": "PUT", "update": "POST", "remove": "DELETE", "merge": "PATCH"}


class RestSender:
    """A `Sender` over REST: replies come on other connections than events."""

    can_batch = True
    connection = None

    def __init__(self, url: str, service: str, token: Callable[[], str]) -> None:
        """`url`: of the link."""
        self._rest = Rest(url, service, token)

    async def close(self) -> None:
        """As of `Sender`."""
        await self._rest.close()

    async def send(
        self,
        op: str,
        collection: Collection,
        operations: list[Operation],
        receive: Callable[[Reply], None],
    ) -> None:
        """As of `Sender`."""
        receive(_reply(await self._send(op, collection, operations), collection, operations))

    async def _send(
        self, op: str, collection: Collection, operations: list[Operation]
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": op, "Content-Type": "application/json"}
        if len(operations) > 1:
            batch = {"operations": [batch_member(collection, each) for each in operations]}
            return await self._rest.send(
                "POST", f"{collection.path}/Batch", content=orjson.dumps(batch), headers=headers
            )
        (operation,) = operations
        if operation.do == "publish":
            path, body = f"{collection.path}/Messages", operation.members
        elif operation.do == "add":
            path, body = f"{collection.path}/Items", operation.members
            body |= {} if operation.key is None else {"key": operation.key}
        else:
            assert operation.key is not None
            path, body = collection.item_path(operation.key), operation.members
        if operation.do == "merge":
            assert operation.data is not None
            body, headers["Content-Type"] = operation.data, "application/merge-patch+json"
        if operation.if_match == ABSENT:
            headers["If-None-Match"] = "*"
        elif operation.if_match is not None:
            headers["If-Match"] = str(operation.if_match)
        content = b"" if operation.do == "remove" else orjson.dumps(body)
        return await self._rest.send(
            _METHODS.get(operation.do, "POST"), path, content=content, headers=headers
        )


def _reply(response: httpx2.Response, collection: Collection, operations: list[Operation]) -> Reply:
    body = orjson.loads(response.content) if response.content else {}
    items = body["items"] if len(operations) > 1 else [body]
    # A defective server may answer less than it was asked; the checks say so.
    items += [{}] * (len(operations) - len(items))
    revisions = [item.get("revision") for item in items[: len(operations)]]
    return Reply(
        keys=tuple(
            str(item[collection.id_name]) if collection.id_name in item else operation.key
            for operation, item in zip(operations, items, strict=False)
        ),
        revisions=tuple(None if each is None else int(each) for each in revisions),
        is_repeated="Idempotency-Replayed" in response.headers,
    )
