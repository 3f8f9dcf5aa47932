# Made by scripts/generate-blocking. Do not edit: change the async source.
"""Batches: several items written in one step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Self

import orjson

from syncline.errors import UsageError
from syncline.header import JsonObject
from syncline.request_members import check_members
from syncline.type_variables import Defaulted, K, T

__all__ = ["Batch"]


class Batch(Defaulted, Generic[T, K]):
    """Writes of up to 100 items of one list or map, applied together or not at all.

    Use it with `with`: the batch is sent at the end of the block, unless the block raises::

        with players.batch() as batch:
            batch.set("alice", {"score": 1})
            batch.remove("bob")

    Its methods raise `InvalidRequest` for data or a value that cannot be sent, and `UsageError`
    after the block.

    Attributes:
        operations: the operations so far, in the form of docs/protocol.md, section 3.
        revisions: the revision of each item, in the order of the operations, once it was sent.
    """

    def __init__(
        self,
        key_name: str,
        check_key: Callable[[Any], None],
        send: Callable[[Sequence[JsonObject]], list[str]],
        *,
        encode: Callable[[T], bytes],
    ) -> None:
        """Applications call `batch` of a list or map instead."""
        self.operations: list[JsonObject] = []
        self.revisions: list[str] = []
        self._key_name = key_name
        self._check_key = check_key
        self._send = send
        self._encode = encode
        self._has_ended = False

    def add(self, key: K, data: T, *, ttl: int | None = None) -> None:
        """Add an item to a map; the batch is refused if the key exists."""
        self._append("add", key, data, ttl=ttl)

    def append(self, data: T, *, ttl: int | None = None) -> None:
        """Append an item to a list."""
        self._add({"op": "add", "data": self._encoded(data)}, ttl=ttl)

    def set(self, key: K, data: T, *, ttl: int | None = None, if_match: str | None = None) -> None:
        """Replace the data of an item; in a map, add the item if there is none."""
        op = "put" if self._key_name == "key" else "update"
        self._append(op, key, data, ttl=ttl, if_match=if_match)

    def remove(self, key: K, *, if_match: str | None = None) -> None:
        """Remove an item; the batch is refused if there is none."""
        self._check_key(key)
        self._add({"op": "remove", self._key_name: key}, if_match=if_match)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._has_ended = True
        if exc_type is None and self.operations:
            self.revisions = self._send(self.operations)

    def _append(self, op: str, key: K, data: T, **members: Any) -> None:
        self._check_key(key)
        self._add({"op": op, self._key_name: key, "data": self._encoded(data)}, **members)

    def _add(self, operation: JsonObject, **members: Any) -> None:
        if self._has_ended:
            raise UsageError("the block of this batch has ended: begin another batch")
        operation.update({name: value for name, value in members.items() if value is not None})
        check_members(operation)
        self.operations.append(operation)

    def _encoded(self, data: T) -> orjson.Fragment:
        return orjson.Fragment(self._encode(data))
