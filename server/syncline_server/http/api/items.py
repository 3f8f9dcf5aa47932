"""REST v1 for the items of lists and maps: add, read, write, patch, delete, list, and batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.fields import show
from syncline_protocol.item_commands import (
    ABSENT,
    BatchItems,
    ItemOperation,
    PatchItem,
    Verb,
    WriteItem,
)
from syncline_protocol.item_types import ItemType, item_type
from syncline_protocol.items import ChangeKind
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.body import read_members, read_parameters, read_patch
from syncline_server.http.errors import DetailedRefusal
from syncline_server.http.item_batch import ItemBatch
from syncline_server.http.item_paging import QUERY_FIELDS, QUERY_NAMES, ItemPageRequest
from syncline_server.http.item_parameters import TTL_NAMES, ItemParameters
from syncline_server.http.object_forms import ObjectForm
from syncline_server.http.object_resources import batch_resource, item_resource
from syncline_server.http.preconditions import (
    if_match,
    if_none_match,
    operation,
    write_condition,
)
from syncline_server.http.reply_context import ReplyContext
from syncline_server.http.responses import json_reply
from syncline_server.http.routing import Endpoint, Route
from syncline_server.objects.access import Access
from syncline_server.objects.items import Items, ItemWritten
from syncline_server.observability.logs import about
from syncline_server.storage.item_refusals import ItemRefused

from .objects import enter_with_query, object_path

__all__ = ["item_routes"]

Parameters = list[tuple[str, Any]]
"""Names and values of a form or a JSON object, in their order."""


def item_routes(backend: Backend, form: ObjectForm, items: Items) -> list[Route]:
    """The routes of the items of one type of collection."""
    type_ = item_type(form.type)
    endpoints = _Endpoints(backend, type_, items)
    collection = object_path(form)
    one: dict[str, Endpoint] = {
        "GET": endpoints.fetch,
        "POST": endpoints.update,
        "PATCH": endpoints.patch,
        "DELETE": endpoints.remove,
    }
    if Verb.PUT in type_.verbs:
        one["PUT"] = endpoints.put
    return [
        Route(f"{collection}/Items", {"GET": endpoints.list, "POST": endpoints.add}),
        Route(f"{collection}/Items/{{item}}", one),
        Route(f"{collection}/Batch", {"POST": endpoints.batch}),
    ]


@dataclass(frozen=True, slots=True)
class _Call:
    """A request with its caller and the context of its reply.

    The context is made first: it refuses a `Host` that no URL can have, and a write that was
    applied must not be refused.

    Attributes:
        query: names and values of the query, in their order.
    """

    request: Request
    access: Access
    where: ReplyContext
    query: list[tuple[str, str]]

    @property
    def address(self) -> str:
        """SID or unique name of the collection."""
        address: str = self.request.path_params["object"]
        return address


@dataclass(frozen=True, slots=True)
class _BatchLimits:
    """The limits of a batch's body, as `body.Limits`."""

    body_limit: int
    values_limit: int


class _Endpoints:
    """Endpoints: each authenticates the caller, then checks the request. All raise `Refusal`."""

    def __init__(self, backend: Backend, type_: ItemType, items: Items) -> None:
        self._backend = backend
        self._type = type_
        self._items = items
        settings = backend.settings
        self._limit = settings.item_limit
        self._batch_limits = _BatchLimits(settings.batch_limit, settings.batch_values_limit)

    async def list(self, request: Request) -> Response:
        ids_name = self._type.id_name.capitalize()
        call = await self._enter(request, (*QUERY_NAMES, ids_name))
        access, where = call.access, call.where
        asked = ItemPageRequest.of(call.query, self._type)
        if part := asked.part(call.query, self._type):
            page = await asked.read_part(
                lambda query: self._items.items(access, call.address, query, part), part
            )
        else:
            page = await asked.read(lambda query: self._items.items(access, call.address, query))
        resources = [item_resource(each, self._type, page.header, where) for each in page.items]
        collection = urls.object_url(
            where.base_url, where.service_sid, self._type.type, page.header.sid
        )
        meta = asked.meta(urls.items_url(collection), self._type, page)
        return json_reply({"items": resources, "meta": meta})

    async def add(self, request: Request) -> Response:
        call = await self._enter(request)
        unless = if_none_match(request.headers)
        given = ItemParameters.of_new(await self._body(call), self._type, self._limit)
        try:
            written = await self._write(call, given, given.operation(Verb.ADD, given.key, None))
        except Refusal as refusal:
            is_taken = refusal.code is self._type.codes.item_exists and given.key is not None
            if is_taken and unless is not None and unless.tags is None:
                raise self._exists(given.key or "") from None
            raise
        return self._reply(call, written, 201)

    async def fetch(self, request: Request) -> Response:
        call = await self._enter(request)
        unless = if_none_match(request.headers)
        header, item = await self._items.item(call.access, call.address, self._key(request))
        etag = str(item.revision)
        if unless is not None and unless.matches(etag):
            return Response(status_code=304, headers={"ETag": etag, "Cache-Control": "no-store"})
        resource = item_resource(item, self._type, header, call.where)
        return json_reply(resource, 200, {"ETag": etag})

    async def put(self, request: Request) -> Response:
        """Replace an item, or create it: Syncline's own operation."""
        call = await self._enter(request)
        key, (verb, condition) = self._key(request), _condition_of_put(request)
        given = ItemParameters.of_new(
            await self._body(call), self._type, self._limit, has_key=False
        )
        written = await self._write(call, given, given.operation(verb, key, condition))
        return self._reply(call, written, 201 if written.kind is ChangeKind.ADDED else 200)

    async def update(self, request: Request) -> Response:
        call = await self._enter(request)
        key, condition = self._key(request), await self._condition(call)
        given = ItemParameters.of_update(await self._body(call), self._type, self._limit)
        wanted = given.operation(Verb.UPDATE, key, condition)
        return self._reply(call, await self._write(call, given, wanted), 200)

    async def patch(self, request: Request) -> Response:
        call = await self._enter(request, TTL_NAMES)
        condition = await self._condition(call)
        ttls = ItemParameters.of_query(call.query)
        command = PatchItem(
            call.address,
            type=self._type.type,
            item_key=self._key(request),
            body=await read_patch(request, self._backend.settings, call.access.allowance.wait),
            ttl=ttls.ttl,
            if_match=condition,
            collection_ttl=ttls.collection_ttl,
            op=operation(request.headers),
        )
        with self._details(call.where):
            written = await self._items.patch(call.access, command)
        return self._reply(call, written, 200)

    async def remove(self, request: Request) -> Response:
        call = await self._enter(request)
        condition = await self._condition(call)
        wanted = ItemOperation(verb=Verb.REMOVE, key=self._key(request), if_match=condition)
        await self._write(call, ItemParameters(), wanted)
        return Response(status_code=204)

    async def batch(self, request: Request) -> Response:
        """Write up to a hundred items, all or none: Syncline's own operation."""
        call = await self._enter(request)
        op = operation(request.headers)
        body = await read_members(request, self._batch_limits, call.access.allowance.wait)
        given = ItemBatch.of(body, self._type, self._limit)
        command = BatchItems(
            call.address,
            type=self._type.type,
            operations=given.operations,
            collection_ttl=given.collection_ttl,
            op=op,
        )
        try:
            with self._details(call.where):
                written = await self._items.batch(call.access, command)
        except Refusal as refusal:
            if refusal.code is not self._type.codes.item_absent:
                raise
            # The vendor's sentence for what is not found names the path alone, which names no item.
            raise Refusal(Code.NOT_FOUND, refusal.message) from None
        headers = {"Idempotency-Replayed": "true"} if written.is_repeated else {}
        resource = batch_resource(written.changes, self._type, written.header)
        return json_reply(resource, 200, headers)

    async def _enter(self, request: Request, query: tuple[str, ...] = ()) -> _Call:
        access, given = await enter_with_query(self._backend, request, query, QUERY_FIELDS)
        return _Call(request, access, ReplyContext.of(request, self._backend, access), given)

    async def _body(self, call: _Call) -> Parameters:
        wait = call.access.allowance.wait
        return await read_parameters(call.request, self._backend.settings, wait)

    async def _write(
        self, call: _Call, given: ItemParameters, wanted: ItemOperation
    ) -> ItemWritten:
        command = WriteItem(
            call.address,
            type=self._type.type,
            action=wanted.verb,
            item_key=wanted.key,
            data=wanted.data,
            ttl=wanted.ttl,
            if_match=wanted.if_match,
            collection_ttl=given.collection_ttl,
            op=operation(call.request.headers),
        )
        with self._details(call.where):
            return await self._items.write(call.access, command)

    @contextmanager
    def _details(self, where: ReplyContext) -> Iterator[None]:
        """Adds the newest item to the refusal of a conditional write, as a read gives it."""
        try:
            yield
        except ItemRefused as refusal:
            state = refusal.state
            if state is None or state.item is None:
                raise refusal.without_item() from None
            newest = item_resource(state.item, self._type, state.header, where)
            raise DetailedRefusal(refusal, {"item": newest}) from None

    def _reply(self, call: _Call, written: ItemWritten, status: int) -> Response:
        """The reply with an item. Its `ETag` is the revision without quotes, as the vendor's
        `If-Match` expects it."""
        headers = {"ETag": str(written.item.revision)}
        if status == 201:
            about(item=str(self._type.show_id(written.item.key)))
        if written.repeated:
            headers["Idempotency-Replayed"] = "true"
        resource = item_resource(written.item, self._type, written.header, call.where)
        return json_reply(resource, status, headers)

    async def _condition(self, call: _Call) -> int | None:
        """The revision that a write of an existing item is conditional on."""
        key = self._key(call.request)

        async def newest() -> int:
            _, item = await self._items.item(call.access, call.address, key)
            return item.revision

        return await write_condition(call.request.headers, newest, self._exists(key))

    def _key(self, request: Request) -> str:
        return self._type.parse_id(request.path_params["item"])

    def _exists(self, key: str) -> Refusal:
        return Refusal(
            self._type.codes.mismatch,
            f"The item {show(self._type.show_id(key))} exists, in a state that If-None-Match "
            "names.",
        )


def _condition_of_put(request: Request) -> tuple[Verb, int | None]:
    """What a PUT does, and the revision on which it is conditional.

    Raises:
        Refusal: `INVALID_IF_MATCH`.
    """
    condition, unless = if_match(request.headers), if_none_match(request.headers)
    has_if_match = "If-Match" in request.headers
    if unless is None:
        # `If-Match: *`: the item must exist.
        return Verb.UPDATE if has_if_match and condition is None else Verb.PUT, condition
    if unless.tags is not None or has_if_match:
        raise Refusal(
            Code.INVALID_IF_MATCH, "If-None-Match of a PUT must be *, and without an If-Match."
        )
    return Verb.PUT, ABSENT
