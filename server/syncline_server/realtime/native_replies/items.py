"""Replies with collections and their items."""

from __future__ import annotations

from typing import Any

from syncline_protocol import native
from syncline_protocol.commands import Command, Open
from syncline_protocol.errors import Refusal
from syncline_protocol.item_commands import BatchItems, GetItem, GetItems, PatchItem, WriteItem
from syncline_protocol.item_types import ItemType, item_type
from syncline_protocol.items import Change, ChangeKind
from syncline_server.objects.items import ItemWritten
from syncline_server.objects.replays import replayed
from syncline_server.realtime.results import Opened
from syncline_server.storage.item_refusals import ItemRefused, ItemState
from syncline_server.storage.items import ItemPage, ItemsWritten

from .objects import object_reply, repetition

__all__ = ["error_details", "item_reply"]

Body = dict[str, Any]


def item_reply(command: Command, result: Any) -> Body:
    """The reply to a command on a collection, or on its items."""
    items = item_type(command.type)
    match command:
        case WriteItem() | PatchItem():
            return _written(items, result, has_data=isinstance(command, PatchItem))
        case BatchItems():
            return _batch(items, result.state)
        case GetItem():
            return _item(items, result.state)
        case GetItems():
            return _header(items, result.state) | _page(items, result.state)
        case Open():
            return object_reply(command, result) | _contents(items, command, result)
    return object_reply(command, result)


def error_details(command: Command, refusal: Refusal) -> Body | None:
    """What an error has besides what all have: the newest item, if the write of an item lost."""
    if not isinstance(refusal, ItemRefused) or refusal.state is None:
        return None
    item = refusal.state.item
    if item is not None:
        return {"item": native.item_body(item, item_type(command.type))}
    # A race was lost to a removal; or the item exists, and the caller may not read it.
    return None if refusal.newest is None else {"item": None}


def _contents(items: ItemType, command: Open, opened: Opened[Any]) -> Body:
    """The first page that `open` asked for, or what has changed since its revision."""
    page = {} if opened.items is None else _page(items, opened.items)
    replay = opened.replay
    if replay is not None and replay.is_reset:
        return page | {"reset": True}
    if command.revision is None:
        return page
    if replay is None:
        return page | {"changes": [], "more_since": None}
    event = replayed(replay, command.revision)
    return page | {
        "changes": [native.change_body(each, items) for each in event.changes] if event else [],
        "more_since": None if replay.more_since is None else str(replay.more_since),
    }


def _page(items: ItemType, page: ItemPage) -> Body:
    return {
        "items": [native.item_body(each, items) for each in page.items],
        "next": None if page.next_key is None else items.show_id(page.next_key),
    }


def _item(items: ItemType, state: ItemState) -> Body:
    assert state.item is not None  # `Items.item` refuses an absent one
    return _header(items, state) | {"item": native.item_body(state.item, items)}


def _written(items: ItemType, result: ItemWritten, *, has_data: bool) -> Body:
    kind, item = result.kind, result.item
    body = native.item_body(item, items, data=has_data)
    if kind is ChangeKind.REMOVED:
        body = {name: body[name] for name in (items.id_name, "revision")}
    reply = _header(items, result) | {"kind": kind.value, "item": body}
    return reply | repetition(result.repeated)


def _batch(items: ItemType, result: ItemsWritten) -> Body:
    # An expired item that a batch found makes a change of its own, before the operation's.
    changes = [_change(items, each) for each in result.changes if not each.expired]
    return _header(items, result) | {"changes": changes} | repetition(result.is_repeated)


def _change(items: ItemType, change: Change) -> Body:
    body = native.item_body(change.item, items, data=False)
    if change.kind is ChangeKind.REMOVED:
        body = {name: body[name] for name in (items.id_name, "revision")}
    return {"kind": change.kind.value, **body}


def _header(items: ItemType, result: ItemPage | ItemState | ItemWritten | ItemsWritten) -> Body:
    return {items.type.name: native.header_body(result.header)}
