"""Operations of a batch on the items of one collection, as JSON."""

from __future__ import annotations

from typing import Any

from . import fields, jsondata
from .errors import Code, Refusal
from .item_commands import ItemOperation, Verb
from .item_types import ItemType

__all__ = ["OPERATIONS_LIMIT", "batch_operations", "values_of"]

OPERATIONS_LIMIT = 100
"""Maximum operations in a batch. They share one commit, during which Redis does nothing else."""


def batch_operations(given: Any, items: ItemType, limit: int) -> tuple[ItemOperation, ...]:
    """Check the operations of a batch.

    Args:
        given: the value of `operations`.
        limit: maximum bytes of the data of one item.

    Raises:
        Refusal: with the code of the value that is wrong; the message names the operation.
    """
    if not isinstance(given, list) or not 1 <= len(given) <= OPERATIONS_LIMIT:
        raise Refusal(
            Code.INVALID_PARAMETER,
            f"operations must be an array of 1 to {OPERATIONS_LIMIT} operations; "
            f"{_count(given)} was given.",
        )
    checked = tuple(
        _Reader(operation, f"operations[{index}]", items).read(limit)
        for index, operation in enumerate(given)
    )
    _check_keys(checked, items)
    return checked


class _Reader:
    """Reads one operation; `where` names it in messages."""

    def __init__(self, given: Any, where: str, items: ItemType) -> None:
        if not isinstance(given, dict):
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"{where} must be an object; {fields.show(given)} was given.",
            )
        self._given = given
        self._where = where
        self._items = items

    def read(self, limit: int) -> ItemOperation:
        verb = self._verb()
        names = ["op", *self._id_names(verb), *values_of(verb)]
        for name in self._given:
            if name not in names:
                raise Refusal(
                    Code.UNKNOWN_PARAMETER,
                    f"{self._where} has the member {fields.show(name)}; the members of "
                    f"{verb.value} are {', '.join(names)}.",
                )
        operation = ItemOperation(
            verb=verb,
            key=self._key(verb),
            data=self._data(verb, limit),
            ttl=self._ttl(),
            if_match=self._if_match(),
        )
        if verb is Verb.UPDATE and operation.data is None and operation.ttl is None:
            raise Refusal(Code.NO_PARAMETERS, f"{self._where} needs data or ttl.")
        return operation

    def _verb(self) -> Verb:
        known = {verb.value: verb for verb in self._items.verbs}
        given = self._given.get("op")
        verb = known.get(given) if isinstance(given, str) else None
        if verb is None:
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"{self._where}.op must be {', '.join(known)}; {fields.show(given)} was given.",
            )
        return verb

    def _id_names(self, verb: Verb) -> list[str]:
        is_given_by_server = verb is Verb.ADD and not self._items.has_chosen_keys
        return [] if is_given_by_server else [self._items.id_name]

    def _key(self, verb: Verb) -> str | None:
        if not self._id_names(verb):
            return None
        try:
            return self._items.parse_id(self._given.get(self._items.id_name))
        except Refusal as refusal:
            raise self._refusal(refusal) from None

    def _data(self, verb: Verb, limit: int) -> bytes | None:
        is_optional = verb not in (Verb.ADD, Verb.PUT)
        if is_optional and "data" not in self._given:
            return None
        try:
            return jsondata.parse_object(self._given.get("data"), f"{self._where}.data", limit)
        except Refusal as refusal:
            is_null = refusal.code is Code.INVALID_DATA
            code = self._items.invalid_data if is_null else refusal.code
            raise Refusal(code, refusal.message) from None

    def _ttl(self) -> int | None:
        ttl = self._given.get("ttl")
        return None if ttl is None else fields.ttl(ttl, f"{self._where}.ttl")

    def _if_match(self) -> int | None:
        revision = self._given.get("if_match")
        return None if revision is None else fields.revision(revision, f"{self._where}.if_match")

    def _refusal(self, refusal: Refusal) -> Refusal:
        return Refusal(refusal.code, f"{self._where}: {refusal.message}")


def values_of(verb: Verb) -> tuple[str, ...]:
    """The members that an operation can have besides `op` and the id."""
    match verb:
        case Verb.ADD:
            return ("data", "ttl")
        case Verb.REMOVE:
            return ("if_match",)
        case _:
            return ("data", "ttl", "if_match")


def _check_keys(operations: tuple[ItemOperation, ...], items: ItemType) -> None:
    """Refuse two operations on one item: a reader would not know which condition holds first."""
    seen = set[str]()
    for index, operation in enumerate(operations):
        if operation.key is None:
            continue
        if operation.key in seen:
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"operations[{index}] has the same {items.id_name} as another operation, "
                f"{fields.show(items.show_id(operation.key))}; a batch writes each item once.",
            )
        seen.add(operation.key)


def _count(value: Any) -> str:
    return f"an array of {len(value)}" if isinstance(value, list) else fields.show(value)
