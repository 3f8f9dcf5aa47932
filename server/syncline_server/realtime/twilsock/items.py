"""Lists and maps, and their items, in the vendor's v3 dialect."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.datastructures import Headers

from syncline_protocol.dates import format_milliseconds
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import (
    ABSENT,
    GetItem,
    GetItems,
    ItemOperation,
    ItemQuery,
    Verb,
    WriteItem,
)
from syncline_protocol.item_types import item_type
from syncline_protocol.items import ChangeKind, Item
from syncline_protocol.objects import Header
from syncline_server.http import urlencoded, urls
from syncline_server.http.item_paging import ItemPageReply, ItemPageRequest
from syncline_server.http.item_parameters import ItemParameters
from syncline_server.http.object_forms import ObjectForm
from syncline_server.http.paging import LARGEST_SIZE
from syncline_server.http.preconditions import if_match
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.values import query_value

from .api import Action, Call, Reply, Route, Steps
from .objects import ObjectActions, address_of, ask, object_path, object_routes, object_url

__all__ = ["CollectionActions", "collection_routes"]

INCLUDED = LARGEST_SIZE
"""Items that a collection brings with `Include=items`, at most."""

NOT_THERE = "-1"
"""An `If-Match` of the SDKs: the item must not exist."""


def collection_routes(actions: CollectionActions) -> tuple[Route, ...]:
    """The routes of one type of collection, and of its items."""
    one = {
        "GET": Action(actions.fetch_item, has_body=False),
        "POST": Action(actions.update_item),
        "DELETE": Action(actions.remove_item, has_body=False),
    }
    if Verb.PUT in actions.items.verbs:
        one["PUT"] = Action(actions.put_item)
    items = f"{object_path(actions.type)}/Items"
    all_of_one = {
        "GET": Action(actions.list_items, has_body=False),
        "POST": Action(actions.add_item),
    }
    return (*object_routes(actions), Route(items, all_of_one), Route(f"{items}/{{item}}", one))


class CollectionActions(ObjectActions):
    """The steps of the actions on one type of collection and its items."""

    def __init__(self, form: ObjectForm, **links: str) -> None:
        """`links`: as for `ObjectActions`."""
        super().__init__(form, links)
        self.items = item_type(form.type)

    def fetch(self, call: Call, where: ReplyContext) -> Steps:
        """Read a collection; with `Include=items`, its first items in the order of their keys."""
        query = urlencoded.pairs(call.query, "the query")
        if ("Include", "items") not in query:
            return (yield from super().fetch(call, where))
        command = GetItems(address_of(call), ItemQuery(size=INCLUDED), type=self.type)
        page = (yield from ask(command)).state
        items = [self._item(each, page.header, where) for each in page.items]
        return Reply(200, self.resource(page.header, where) | {"items": items})

    def list_items(self, call: Call, where: ReplyContext) -> Steps:
        """Read the item that the query names, or a page."""
        query = urlencoded.pairs(call.query, "the query")
        code = Code.INVALID_ITEM_KEY if self.items.has_chosen_keys else Code.INVALID_INDEX
        item_id = query_value(query, self.items.id_name.capitalize(), code)
        if item_id is not None:
            return (yield from self._find(call, where, self.items.parse_id(item_id)))
        asked = ItemPageRequest.of(query, self.items)
        steps = asked.steps()
        try:
            wanted = next(steps)
            while True:
                command = GetItems(address_of(call), wanted, type=self.type)
                wanted = steps.send((yield from ask(command)).state)
        except StopIteration as end:
            page: ItemPageReply = end.value
        return self._page(page, asked, where)

    def _find(self, call: Call, where: ReplyContext, key: str) -> Steps:
        """The page of the item with this key, empty if there is none: this is how the JavaScript
        SDK reads one item."""
        items = []
        try:
            state = (yield from ask(GetItem(address_of(call), key, type=self.type))).state
            items = [self._item(state.item, state.header, where)]
        except Refusal as refusal:
            if refusal.code is not self.items.codes.item_absent:
                raise
        meta = {"key": "items", "page_size": 1, "previous_token": None, "next_token": None}
        return Reply(200, {"items": items, "meta": meta})

    def _page(self, page: ItemPageReply, asked: ItemPageRequest, where: ReplyContext) -> Reply:
        """The reply with a page. The SDKs take a token for "there is more", in the order that they
        asked for; the older ones ask for the next page with it alone."""
        meta = {
            "key": "items",
            "page_size": asked.cursor.size,
            "previous_token": None if page.previous is None else page.previous.token(),
            "next_token": None if page.following is None else page.following.token(),
        }
        items = [self._item(each, page.header, where) for each in page.items]
        return Reply(200, {"items": items, "meta": meta})

    def fetch_item(self, call: Call, where: ReplyContext) -> Steps:
        """Read an item by its own URL."""
        command = GetItem(address_of(call), self._key(call), type=self.type)
        state = (yield from ask(command)).state
        return Reply(200, self._item(state.item, state.header, where))

    def add_item(self, call: Call, where: ReplyContext) -> Steps:
        """Add an item: to a list at its end, to a map under the key of the body."""
        limit = call.limits.item_limit
        given = ItemParameters.of_new(call.members, self.items, limit, is_strict=False)
        written = yield from self._write(call, given, given.operation(Verb.ADD, given.key, None))
        return Reply(201, self._item(written.item, written.header, where, data=False))

    def put_item(self, call: Call, where: ReplyContext) -> Steps:
        """Replace an item, or create it."""
        limit, key = call.limits.item_limit, self._key(call)
        given = ItemParameters.of_new(
            call.members, self.items, limit, has_key=False, is_strict=False
        )
        condition = _condition(call.headers)
        # `If-Match: *`: the item must exist.
        verb = Verb.UPDATE if condition is None and "If-Match" in call.headers else Verb.PUT
        try:
            written = yield from self._write(call, given, given.operation(verb, key, condition))
        except Refusal as refusal:
            if refusal.code is not self.items.codes.item_absent:
                raise
            # On 404 to a PUT the JavaScript SDK takes the whole map for removed.
            raise Refusal(self.items.codes.mismatch, refusal.message) from None
        status = 201 if written.kind is ChangeKind.ADDED else 200
        return Reply(status, self._item(written.item, written.header, where, data=False))

    def update_item(self, call: Call, where: ReplyContext) -> Steps:
        """Replace the data of an item that exists, its time to live, or both."""
        limit, key = call.limits.item_limit, self._key(call)
        given = ItemParameters.of_update(call.members, self.items, limit, is_strict=False)
        wanted = given.operation(Verb.UPDATE, key, _condition(call.headers))
        written = yield from self._write(call, given, wanted)
        return Reply(200, self._item(written.item, written.header, where, data=False))

    def remove_item(self, call: Call, where: ReplyContext) -> Steps:
        """Remove an item. The reply has a body: the SDKs need its `last_event_id`."""
        key, condition = self._key(call), _condition(call.headers)
        wanted = ItemOperation(verb=Verb.REMOVE, key=key, if_match=condition)
        written = yield from self._write(call, ItemParameters(), wanted)
        return Reply(200, self._item(written.item, written.header, where, data=False))

    def _write(self, call: Call, given: ItemParameters, wanted: ItemOperation) -> Any:
        return ask(
            WriteItem(
                address_of(call),
                type=self.type,
                action=wanted.verb,
                item_key=wanted.key,
                data=wanted.data,
                ttl=wanted.ttl,
                if_match=wanted.if_match,
                collection_ttl=given.collection_ttl,
                op=call.operation,
            )
        )

    def _key(self, call: Call) -> str:
        return self.items.parse_id(call.names["item"])

    def _item(
        self, item: Item, collection: Header, where: ReplyContext, *, data: bool = True
    ) -> dict[str, Any]:
        """The properties of an item; in the reply to a write without `data`, which the Kotlin SDK
        would refuse. `last_event_id` is the id of the event of its last change."""
        item_id = self.items.show_id(item.key)
        url = object_url(where, self.type, collection.sid)
        resource: dict[str, Any] = {
            self.items.id_name: item_id,
            "account_sid": where.account_sid,
            "service_sid": where.service_sid,
            f"{self.type.name}_sid": collection.sid,
            "url": urls.item_url(url, item_id),
            "revision": str(item.revision),
            "last_event_id": item.revision,
            "date_created": format_milliseconds(item.created_ms),
            "date_updated": format_milliseconds(item.updated_ms),
            "date_expires": None
            if item.expires_ms is None
            else format_milliseconds(item.expires_ms),
            "created_by": item.created_by,
            "updated_by": item.updated_by,
        }
        if data:
            resource["data"] = orjson.Fragment(item.data)
        return resource


def _condition(headers: Headers) -> int | None:
    """The revision that `If-Match` names, or `ABSENT`. Raises `INVALID_IF_MATCH`."""
    if [value.strip(' \t"') for value in headers.getlist("If-Match")] == [NOT_THERE]:
        return ABSENT
    return if_match(headers)
