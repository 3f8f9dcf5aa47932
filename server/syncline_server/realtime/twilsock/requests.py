"""The requests that a client sends through its socket."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers

from syncline_protocol import twilsock
from syncline_protocol.commands import Command
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.twilsock import HttpRequest, Packet
from syncline_server.http import urls
from syncline_server.http.body import members
from syncline_server.http.errors import error_body
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.results import Fetched, Result
from syncline_server.realtime.session import Session
from syncline_server.storage.item_refusals import ItemState
from syncline_server.storage.items import ItemPage

from . import configuration, objects, router, subscriptions
from .api import Action, Call, Reply, Steps
from .batches import Batch
from .item_reads import ItemReads
from .subscriptions import Subscriptions

if TYPE_CHECKING:
    from .connection import TwilsockClient

__all__ = ["Requests"]


class Requests:
    """The requests of one client: each gets one reply, with the id of its packet."""

    def __init__(self, client: TwilsockClient, session: Session) -> None:
        self._client = client
        self._session = session
        self._settings = client.backend.settings
        self._account_sid = client.backend.authenticator.account_sid
        self._reads = ItemReads()
        self._subscriptions = Subscriptions(
            client.submit, client.writer.send, reads=self._reads, tally=client.tally
        )

    def carry_out(self, packet: Packet) -> None:
        """Carry out a `message`."""
        self._client.tally.requests += 1
        try:
            self._route(packet, twilsock.http_request(packet))
        except Refusal as refusal:
            self.refuse(packet, refusal)

    def refuse(self, packet: Packet, refusal: Refusal) -> None:
        """Answer a `message` that is not carried out with its refusal."""
        self._client.record_refusal(refusal)
        self._refuse(packet.id, refusal)

    def end_subscription(self, sid: str) -> None:
        """As `Subscriptions.end`."""
        self._subscriptions.end(sid)

    def _route(self, packet: Packet, request: HttpRequest) -> None:
        path = _below_prefix(request.path)
        match request.method, path:
            case "POST", subscriptions.PATH:
                batch = Batch.parse(packet.payload, self._settings.values_limit)
                self._reply(packet.id, Reply(200, subscriptions.RECEIPT))
                service_url = objects.service_url(self._context(request))
                self._client.use_format(batch.version, service_url)
                self._subscriptions.carry_out(batch, service_url)
            case "GET", configuration.PATH:
                where = self._context(request)
                self._reply(packet.id, Reply(200, configuration.configuration(where)))
            case method, _:
                action, names = router.find(method, path)
                self._perform(packet, request, action, names)

    def _perform(
        self, packet: Packet, request: HttpRequest, action: Action, names: dict[str, str]
    ) -> None:
        where = self._context(request)
        if not self._session.access.is_of(names.get("service", where.service_sid)):
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        has_body = action.has_body and packet.payload
        given = members(packet.payload, self._settings.values_limit) if has_body else []
        call = Call(
            names=names,
            query=_query(request.params),
            headers=_headers(request.headers),
            members=given,
            limits=self._settings,
        )
        steps = action.steps(call, where)
        self._submit(packet.id, steps, next(steps))

    def _submit(self, packet_id: str, steps: Steps, command: Command) -> None:
        self._client.submit(command, partial(self._go_on, packet_id, steps, command))

    def _go_on(
        self, packet_id: str, steps: Steps, command: Command, outcome: Result | Refusal
    ) -> None:
        """Take the next step of a request, or answer it. `command`: whose outcome this is."""
        try:
            if isinstance(outcome, Refusal):
                command = steps.throw(outcome)
            else:
                self._record(command, outcome)
                command = steps.send(outcome)
        except StopIteration as end:
            self._reply(packet_id, end.value)
        except Refusal as refusal:
            self._refuse(packet_id, refusal)
        else:
            self._submit(packet_id, steps, command)

    def _record(self, command: Command, result: Result) -> None:
        """Remember what the client knows from a reply, for the events that follow it."""
        self._client.own_events.record_reply(command, result)
        if isinstance(result, Fetched) and isinstance(result.state, ItemPage | ItemState):
            self._reads.record(result.state.header)

    def _refuse(self, packet_id: str, refusal: Refusal) -> None:
        self._client.tally.refused[refusal.code] += 1
        self._reply(packet_id, _failure(refusal))

    def _reply(self, packet_id: str, reply: Reply) -> None:
        payload = b"" if reply.body is None else orjson.dumps(reply.body)
        status = {"code": reply.status, "status": HTTPStatus(reply.status).phrase}
        self._client.send(twilsock.encode_reply(packet_id, payload=payload, http_status=status))

    def _context(self, request: HttpRequest) -> ReplyContext:
        """The context of a reply. Its URLs begin with the host that the client uses, without the
        path of `public_url`: the Kotlin and iOS SDK does not accept a prefix."""
        if self._settings.public_url is None:
            base_url = urls.host_url("http", request.host)
        else:
            public = urlsplit(self._settings.public_url)
            base_url = f"{public.scheme}://{public.netloc}"
        return ReplyContext(base_url, self._account_sid, self._session.access.service_sid)


def _failure(refusal: Refusal) -> Reply:
    code = refusal.code
    return Reply(code.status, error_body(int(code), code.status, refusal.message))


def _below_prefix(path: str) -> str:
    """The path without the prefix of the application's `cdsUri`; no name has a slash."""
    start = max(path.find("/v3/"), path.find("/v4/"))
    return path[start:] if start > 0 else path


def _query(params: Iterable[tuple[str, str]]) -> bytes:
    """The query of a request; its names and values are still percent-encoded."""
    return "&".join(f"{name}={value}" for name, value in params).encode()


def _headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The headers; characters outside Latin-1 become `?`, and no header that is read has any."""
    raw = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in pairs
    ]
    return Headers(raw=raw)
