"""A walk through all objects of a service over REST, which can go on from a position."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace

import orjson

from syncline import Forbidden, JsonObject, NotFound
from syncline_protocol.objects import TYPES, ObjectType

from .api import Collection, Page
from .object_records import item_kind, permission_kind
from .object_rest import ITEM_PAGE_SIZE, ServiceApi

__all__ = ["Position", "ResourcePage", "Walk"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a walk goes on.

    Attributes:
        type: plural name of the type.
        query: query of the page of objects.
        is_inside: True if the objects of that page were returned, but not all of their items.
        at: SID of the last object of the page whose items were returned; None for none.
        items: query of the next page of its items; None if all were returned.
    """

    type: str
    query: dict[str, str]
    is_inside: bool = False
    at: str | None = None
    items: dict[str, str] | None = None

    def text(self) -> str:
        """The position as text."""
        return orjson.dumps(asdict(self)).decode()

    @classmethod
    def parse(cls, text: str) -> Position:
        """The position in a text; one of an earlier version is the query of a page of documents."""
        value = orjson.loads(text)
        return cls(**value) if "query" in value else cls(type=TYPES[0].plural, query=value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcePage:
    """Some resources of one kind.

    Attributes:
        kind: as the `type` of a line of an export.
        position: where the walk goes on after this page; None after the last page.
        is_inside: True for items and permissions, False for objects.
    """

    kind: str
    resources: list[JsonObject]
    position: Position | None
    is_inside: bool = True


class Walk:
    """All objects of a service, with the permissions and items of lists and maps.

    The order is that of `TYPES`; the objects of a page come before their permissions and items.

    Attributes:
        listed: what the current request lists, for messages.
        is_resumed: True until the first page after a position was read.
        has_permissions: False once the server refused to list permissions, as it does for tokens.
    """

    def __init__(self, service: ServiceApi, page_size: int) -> None:
        self.listed = TYPES[0].plural
        self.is_resumed = False
        self.has_permissions = True
        self._service = service
        self._first = {"PageSize": str(page_size)}
        # Not more than a batch can write, so that each page of items is uploaded as one.
        size = str(min(page_size, ITEM_PAGE_SIZE))
        self._first_items = {"PageSize": size, "Order": "asc"}

    def pages(self, start: Position | None) -> Iterator[ResourcePage]:
        """The pages after a position, or all pages; raises what `Collection.page` raises."""
        self.is_resumed = start is not None
        start = start or Position(type=TYPES[0].plural, query=self._first)
        types = list(TYPES)
        while types and types[0].plural != start.type:
            types.pop(0)
        for number, type_ in enumerate(types):
            begin = start if number == 0 else Position(type=type_.plural, query=self._first)
            following = types[number + 1] if number + 1 < len(types) else None
            yield from self._objects(type_, begin, following)

    def _objects(
        self, type_: ObjectType, begin: Position, following: ObjectType | None
    ) -> Iterator[ResourcePage]:
        objects = self._service.objects(type_)
        while True:
            page = self._page(objects, begin.query, type_.plural)
            after = None
            if page.next is not None:
                after = Position(type=type_.plural, query=page.next)
            elif following is not None:
                after = Position(type=following.plural, query=self._first)
            inside = replace(begin, is_inside=True)
            sids = [str(each.get("sid")) for each in page.items] if type_.has_items else []
            if not begin.is_inside:
                position = inside if sids else after
                yield ResourcePage(
                    kind=type_.name, resources=page.items, position=position, is_inside=False
                )
            yield from self._inside(type_, sids, inside, after)
            if page.next is None:
                return
            begin = Position(type=type_.plural, query=page.next)

    def _inside(
        self, type_: ObjectType, sids: list[str], begin: Position, after: Position | None
    ) -> Iterator[ResourcePage]:
        """Permissions and items of the objects of one page."""
        pending = sids
        # A page may have other objects than before: then all of them are returned again.
        if begin.at in sids:
            done = sids.index(begin.at) + (begin.items is None)
            pending = sids[done:]
        here = begin
        for number, sid in enumerate(pending):
            query = here.items if here.at == sid else None
            end = after if number + 1 == len(pending) else replace(here, at=sid, items=None)
            if query is None:
                for page in self._permissions(type_, sid):
                    yield ResourcePage(
                        kind=permission_kind(type_), resources=page.items, position=here
                    )
                query = self._first_items
            while query is not None:
                page = self._page_inside(type_, sid, query)
                query = page.next
                position = end if query is None else replace(here, at=sid, items=query)
                yield ResourcePage(kind=item_kind(type_), resources=page.items, position=position)
            here = replace(here, at=sid, items=None)

    def _permissions(self, type_: ObjectType, sid: str) -> Iterator[Page]:
        permissions = self._service.objects(type_).permissions(sid)
        query: dict[str, str] | None = self._first
        while query is not None and self.has_permissions:
            try:
                page = self._page(permissions, query, f"permissions of {type_.plural}")
            except Forbidden:
                self.has_permissions = False
                return
            query = page.next
            if page.items:
                yield page

    def _page_inside(self, type_: ObjectType, sid: str, query: Mapping[str, str]) -> Page:
        items = self._service.objects(type_).items(sid)
        return self._page(items, query, f"items of {type_.plural}")

    def _page(self, collection: Collection, query: Mapping[str, str], listed: str) -> Page:
        self.listed = listed
        try:
            page = collection.page(query)
        except NotFound:
            if listed == TYPES[0].plural:
                raise  # no such service
            # An object that was removed meanwhile, or a server that only has documents.
            page = Page([], None)
        self.is_resumed = False
        return page
