"""Requests for event streams: the query, and `Last-Event-ID`, as a command to open an object."""

from __future__ import annotations

from starlette.requests import Request

from syncline_protocol import fields
from syncline_protocol.commands import Mode, Open
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.item_commands import ItemQuery, OpenCollection, Part
from syncline_protocol.item_parts import page_size, part_of_ids, part_of_prefix
from syncline_protocol.item_types import ItemType, item_type
from syncline_protocol.objects import ObjectType
from syncline_server.http import urlencoded
from syncline_server.http.item_paging import QUERY_FIELDS
from syncline_server.http.unknown_names import check_query
from syncline_server.http.values import query_value

__all__ = ["read_request"]

Query = list[tuple[str, str]]


def read_request(request: Request, type_: ObjectType) -> Open:
    """The command that a request for the events of an object of this type means.

    Raises:
        Refusal: a parameter is wrong.
    """
    address = request.path_params["object"]
    known = request.headers.get("last-event-id") or None
    revision = None if known is None else fields.revision(known, "Last-Event-ID")
    if not type_.has_items:
        return Open(address, type=type_, mode=Mode.OPEN_EXISTING, revision=revision)
    items = item_type(type_)
    check_query(request, ("Items", "Prefix", items.id_name.capitalize()), QUERY_FIELDS)
    query = list(urlencoded.pairs(request.scope["query_string"], "the query", QUERY_FIELDS))
    part = _part(query, items)
    return OpenCollection(
        address,
        type=type_,
        mode=Mode.OPEN_EXISTING,
        revision=revision,
        items=_first_page(query, part) if revision is None else None,
        part=part,
    )


def _first_page(query: Query, part: Part | None) -> ItemQuery | None:
    size = query_value(query, "Items", Code.INVALID_PAGE_SIZE)
    if size is None:
        return None
    number = int(size[:9]) if size.isascii() and size.isdigit() else size
    return ItemQuery(size=page_size(number, "Items"), prefix=None if part is None else part.prefix)


def _part(query: Query, items: ItemType) -> Part | None:
    name = items.id_name.capitalize()
    keys = [value for key, value in query if key == name]
    prefix = query_value(query, "Prefix", Code.INVALID_PARAMETER)
    if prefix is None and not keys:
        return None
    if prefix is not None and keys:
        raise Refusal(Code.INVALID_PARAMETER, f"A part is given by {name} or Prefix, not by both.")
    if prefix is not None:
        return part_of_prefix(prefix, items, "Prefix", name)
    return part_of_ids(keys, items, name)
