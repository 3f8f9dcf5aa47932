"""A simulated client that writes items over REST, through one link."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson

from syncline import JsonObject
from syncline_tools.verify.client import SETTLE_TIMEOUT
from syncline_tools.verify.history import History
from syncline_tools.verify.records import Outcome, content_of

from .collection import Collection
from .records import ItemsAnswered, ItemsInvoked, Part
from .rest import Refused, Rest

__all__ = ["ABSENT", "ItemWriter", "Operation"]

ABSENT = -1
"""As a condition: the item must not exist."""

_METHODS = {"add": "POST", "put": "PUT", "update": "POST", "remove": "DELETE", "merge": "PATCH"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What to do with one item; members as of `Part`."""

    do: str
    key: str | None = None
    data: JsonObject | None = None
    if_match: int | None = None
    ttl: int | None = None

    @property
    def part(self) -> Part:
        """As the history has it."""
        content = None if self.data is None or self.do == "merge" else content_of(self.data)
        return Part(do=self.do, key=self.key, if_match=self.if_match, content=content, ttl=self.ttl)

    @property
    def members(self) -> JsonObject:
        """What a body has beside the key."""
        given = {"data": self.data, "ttl": self.ttl}
        return {name: value for name, value in given.items() if value is not None}


class ItemWriter:
    """Writes until the outcome is known.

    Attributes:
        known: the newest revision that it knows of each item, by collection and key; None once it
            is known to be absent.
    """

    def __init__(
        self, name: str, url: str, service: str, token: Callable[[], str], *, history: History
    ) -> None:
        """`url`: of the link."""
        self.name = name
        self.known: dict[tuple[str, str], int | None] = {}
        self._history = history
        self._rest = Rest(url, service, token)

    async def close(self) -> None:
        """End all connections."""
        await self._rest.close()

    async def write(
        self, number: int, op: str, collection: Collection, operations: list[Operation]
    ) -> ItemsAnswered:
        """Carry out one operation by itself, or several as a batch.

        Args:
            number: of the write, in the history; the data names it.
            op: operation id.
        """
        self._history.add(
            ItemsInvoked(
                at=self._history.now(),
                write=number,
                client=self.name,
                collection=collection.sid,
                parts=tuple(each.part for each in operations),
                is_batch=len(operations) > 1,
            )
        )
        answered: dict[str, Any] = {"outcome": Outcome.UNKNOWN}
        try:
            async with asyncio.timeout(SETTLE_TIMEOUT):
                reply = await self._send(op, collection, operations)
            answered = _answer(reply, collection, operations)
        except Refused as refused:
            answered = {"outcome": Outcome.REFUSED, "code": refused.code}
            if len(operations) == 1 and operations[0].key is not None:
                self.known[collection.sid, operations[0].key] = refused.newest
        except TimeoutError:
            pass
        finally:
            answer = ItemsAnswered(at=self._history.now(), write=number, **answered)
            self._history.add(answer)
        self._learn(collection, operations, answer)
        return answer

    async def _send(
        self, op: str, collection: Collection, operations: list[Operation]
    ) -> httpx2.Response:
        headers = {"Idempotency-Key": op, "Content-Type": "application/json"}
        if len(operations) > 1:
            batch = {"operations": [_member(collection, each) for each in operations]}
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

    def _learn(
        self, collection: Collection, operations: list[Operation], answer: ItemsAnswered
    ) -> None:
        if answer.outcome is Outcome.ACKNOWLEDGED:
            for operation, key, revision in zip(
                operations, answer.keys, answer.revisions, strict=True
            ):
                if key is not None:
                    is_gone = operation.do == "remove"
                    self.known[collection.sid, key] = None if is_gone else revision


def _member(collection: Collection, operation: Operation) -> JsonObject:
    member: JsonObject = {"op": operation.do, **operation.members}
    if operation.key is not None:
        is_list = collection.id_name == "index"
        member[collection.id_name] = int(operation.key) if is_list else operation.key
    if operation.if_match is not None:
        member["if_match"] = str(operation.if_match)
    return member


def _answer(
    reply: httpx2.Response, collection: Collection, operations: list[Operation]
) -> dict[str, Any]:
    body = orjson.loads(reply.content) if reply.content else {}
    items = body["items"] if len(operations) > 1 else [body]
    # A defective server may answer less than it was asked; the checks say so.
    items += [{}] * (len(operations) - len(items))
    revisions = [item.get("revision") for item in items[: len(operations)]]
    return {
        "outcome": Outcome.ACKNOWLEDGED,
        "keys": tuple(
            str(item[collection.id_name]) if collection.id_name in item else operation.key
            for operation, item in zip(operations, items, strict=False)
        ),
        "revisions": tuple(None if each is None else int(each) for each in revisions),
        "is_repeated": "Idempotency-Replayed" in reply.headers,
    }
