"""What a refused write of an item answers: the reason, and the item as writers contend for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from syncline_protocol.errors import Code, Refusal, codes_of
from syncline_protocol.fields import show
from syncline_protocol.item_commands import ABSENT, ItemOperation, PatchItem, Verb, WriteItem
from syncline_protocol.item_keys import index_of
from syncline_protocol.items import Item
from syncline_protocol.objects import LIST, Header, ObjectType

from .records import unpack_record
from .replies import HEADER_LENGTH, Reply, state_of

__all__ = ["ItemRefused", "ItemState", "absent_item", "item_mismatch", "refused_write"]

CHANGES = (Verb.UPDATE, Verb.REMOVE)
"""What is only done with an item that exists."""


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item with its collection, as writers contend for it.

    Attributes:
        item: None if the collection has no such item.
    """

    header: Header
    item: Item | None

    @property
    def sid(self) -> str:
        """SID of the collection."""
        return self.header.sid

    @property
    def unique_name(self) -> str | None:
        """Unique name of the collection."""
        return self.header.unique_name

    @property
    def revision(self) -> int:
        """The item's revision; `ABSENT` if there is none."""
        return ABSENT if self.item is None else self.item.revision

    @property
    def data(self) -> bytes:
        """The item's data; `b""` if there is none."""
        return b"" if self.item is None else self.item.data


class ItemRefused(Refusal):
    """A write of an item is refused.

    Attributes:
        state: the newest state; None if the author may not read it.
        newest: the same if another writer was quicker; else None.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        state: ItemState | None = None,
        *,
        is_race: bool = False,
        blind: str | None = None,
    ) -> None:
        """`blind`: the message for a caller that may not read the item; None for the same one."""
        super().__init__(code, message, newest=state if is_race else None)
        self.state = state
        self._blind = message if blind is None else blind

    @property
    def item(self) -> Item | None:
        """The newest item; None if there is none, or the author may not read it."""
        return None if self.state is None else self.state.item

    def without_item(self) -> ItemRefused:
        """The refusal for a caller that may not read the item."""
        return ItemRefused(self.code, self._blind)


def absent_item(type_: ObjectType, key: str) -> ItemRefused:
    """The error for a key, or an index, without an item."""
    return ItemRefused(
        codes_of(type_).item_absent,
        f"The {type_.name} has no item {_shown(type_, key)}; nothing was changed.",
    )


def item_mismatch(command: WriteItem | PatchItem, state: ItemState) -> ItemRefused:
    """The error for an item that is at another revision than the write expected.

    A write that only changes an item which exists is refused as for an absent one.
    """
    item, key = state.item, command.item_key or ""
    if item is None and (isinstance(command, PatchItem) or command.action in CHANGES):
        return absent_item(command.type, key)
    return _mismatch(command.type, key, command.if_match, state)


def refused_write(type_: ObjectType, reply: Reply, writes: Sequence[ItemOperation]) -> ItemRefused:
    """The error that item.lua gives for one of the writes."""
    index, reason, record = reply[HEADER_LENGTH:]
    write = writes[int(index) - 1]
    key = write.key or ""
    newest = unpack_record(key.encode(), record) if record else None
    item = newest if isinstance(newest, Item) else None
    state = ItemState(state_of(type_, reply), item)
    place = f" (operation {int(index)} of {len(writes)})" if len(writes) > 1 else ""
    shown, codes = _shown(type_, key), codes_of(type_)
    match reason:
        case b"exists":
            message = f"The {type_.name} has an item {shown} already{place}; nothing was changed."
            return ItemRefused(codes.item_exists, message, state)
        case b"absent":
            message = f"The {type_.name} has no item {shown}{place}; nothing was changed."
            return ItemRefused(codes.item_absent, message)
        case b"hidden":
            # Without a state: rivals of this writer would take the item for absent.
            return _mismatch(type_, key, write.if_match, state, place=place).without_item()
        case _:
            return _mismatch(type_, key, write.if_match, state, place=place)


def _mismatch(
    type_: ObjectType, key: str, if_match: int | None, state: ItemState, *, place: str = ""
) -> ItemRefused:
    expected = "its absence" if if_match == ABSENT else if_match
    message = (
        f"The revision of the item {_shown(type_, key)} does not match the expected revision: "
        f"{expected} was expected"
    )
    is_at = "" if state.item is None else f", it is at {state.item.revision}"
    return ItemRefused(
        codes_of(type_).mismatch,
        f"{message}{is_at}{place}.",
        state,
        is_race=True,
        blind=f"{message}{place}.",
    )


def _shown(type_: ObjectType, key: str) -> str:
    return str(index_of(key)) if type_ is LIST else show(key)
