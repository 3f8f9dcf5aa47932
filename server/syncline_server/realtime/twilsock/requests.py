"""The requests that a client sends through its socket."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from http import HTTPStatus
from urllib.parse import urlsplit

import orjson
from starlette.datastructures import Headers

from syncline_protocol import twilsock
from syncline_protocol.commands import Command
from syncline_protocol.errors import Code, Refusal
from syncline_protocol.twilsock import HttpRequest, Packet
from syncline_server.backend import Backend
from syncline_server.http import urls
from syncline_server.http.body import members
from syncline_server.http.errors import error_body
from syncline_server.http.reply_context import ReplyContext
from syncline_server.realtime.in_flight import InFlight
from syncline_server.realtime.results import Answer, Result
from syncline_server.realtime.session import Session

from . import configuration, router, subscriptions
from .api import Action, Call, Reply
from .subscriptions import Batch, Subscriptions

__all__ = ["Upstream"]


class Upstream:
    """The requests of one client: each gets one reply, with the id of its packet."""

    def __init__(
        self,
        backend: Backend,
        session: Session,
        backlog: InFlight,
        note: Callable[[Refusal, Command | None], None],
        send: Callable[[bytes], None],
        send_frame: Callable[[bytes], None],
        use_version: Callable[[int], None],
    ) -> None:
        """
        Args:
            backlog: counts the commands under way.
            note: records each refusal, with the refused command; None if there was none yet.
            send: sends the bytes of a packet.
            send_frame: sends the bytes of a whole frame.
            use_version: receives the version of events that the client reads from now on.
        """
        self._settings = backend.settings
        self._tally = backend.meters.wires["twilsock"]
        self._account_sid = backend.authenticator.account_sid
        self._session = session
        self._backlog = backlog
        self._note = note
        self._send = send
        self._use_version = use_version
        self._subscriptions = Subscriptions(self._submit, send_frame)

    def take(self, packet: Packet) -> None:
        """Carry out a `message`."""
        self._tally.requests += 1
        try:
            self._carry_out(packet, twilsock.http_request(packet))
        except Refusal as refusal:
            self.refuse(packet, refusal)

    def refuse(self, packet: Packet, refusal: Refusal) -> None:
        """Answer a `message` that is not carried out with its refusal."""
        self._note(refusal, None)
        self._refuse(packet.id, refusal)

    def _carry_out(self, packet: Packet, request: HttpRequest) -> None:
        path = _below_prefix(request.path)
        match request.method, path:
            case "POST", subscriptions.PATH:
                batch = Batch.parse(packet.payload, self._settings.values_limit)
                self._reply(packet.id, Reply(200, subscriptions.RECEIPT))
                self._use_version(batch.version)
                self._subscriptions.carry_out(batch)
            case "GET", configuration.PATH:
                where = self._surroundings(request)
                self._reply(packet.id, Reply(200, configuration.configuration(where)))
            case method, _:
                action, names = router.find(method, path)
                self._act(packet, request, action, names)

    def _act(
        self, packet: Packet, request: HttpRequest, action: Action, names: dict[str, str]
    ) -> None:
        where = self._surroundings(request)
        if not self._session.access.is_of(names.get("service", where.service_sid)):
            raise Refusal(
                Code.SERVICE_FORBIDDEN, "The access token was issued for another service."
            )
        has_body = action.has_body and packet.payload
        given = members(packet.payload, self._settings.values_limit) if has_body else []
        call = Call(names, _headers(request.headers), given, self._settings.data_limit)
        self._submit(action.command(call), partial(self._answer, packet.id, action, where))

    def _answer(
        self, packet_id: str, action: Action, where: ReplyContext, outcome: Result | Refusal
    ) -> None:
        if isinstance(outcome, Refusal):
            self._refuse(packet_id, outcome)
        else:
            self._reply(packet_id, action.reply(outcome, where))

    def _submit(self, command: Command, answer: Answer) -> None:
        def answered(outcome: Result | Refusal) -> None:
            if isinstance(outcome, Refusal):
                self._note(outcome, command)
            answer(outcome)
            self._backlog.end()

        self._backlog.begin()
        self._session.submit(command, answered)

    def _refuse(self, packet_id: str, refusal: Refusal) -> None:
        self._tally.refused[refusal.code] += 1
        self._reply(packet_id, _failure(refusal))

    def _reply(self, packet_id: str, reply: Reply) -> None:
        payload = b"" if reply.body is None else orjson.dumps(reply.body)
        status = {"code": reply.status, "status": HTTPStatus(reply.status).phrase}
        self._send(twilsock.encode_reply(packet_id, payload=payload, http_status=status))

    def _surroundings(self, request: HttpRequest) -> ReplyContext:
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


def _headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The headers; characters outside Latin-1 become `?`, and no header that is read has any."""
    raw = [
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in pairs
    ]
    return Headers(raw=raw)
