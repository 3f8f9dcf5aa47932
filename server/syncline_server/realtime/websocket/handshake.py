"""The opening handshake of a WebSocket (RFC 6455, section 4), and its checks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import NamedTuple

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from syncline_protocol.errors import Refusal
from syncline_server import http as rest
from syncline_server.auth.origins import Origins
from syncline_server.config.networks import Proxies
from syncline_server.config.settings import Settings
from syncline_server.observability.forwarding_notice import HEADERS
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.realtime.admission import Admission

from .route import WebSocketRoute
from .usual_handshake import (
    DEFLATE,
    HEADS_KNOWN,
    UsualHead,
    UsualRequest,
    acceptance,
    negotiate,
    rejection,
)

__all__ = ["Accepted", "Handshake"]

logger = logging.getLogger("syncline.socket")

RETRY_AFTER = "1"
"""Seconds after which a refused client may try again."""

_SAFE = dict([rest.NO_SNIFFING])


class Accepted(NamedTuple):
    """A handshake that was accepted.

    Attributes:
        response: the bytes to send.
        peer: the client's address.
        deflates: whether messages may be compressed.
    """

    response: bytes
    route: WebSocketRoute
    peer: str
    deflates: bool


class _Terms(NamedTuple):
    """What the head of a request asks for, and offers.

    Attributes:
        host: `Host`; empty without one.
        subprotocol: the one to name in the response; None to name none.
        extensions: the answer to the offer of extensions; empty to use none.
        forwards: whether a proxy says that it has forwarded the request.
    """

    route: WebSocketRoute
    path: str
    host: str
    origins: list[str]
    subprotocol: str | None
    extensions: bytes
    forwards: bool


class Handshake:
    """Answers the handshakes of a process."""

    def __init__(
        self,
        routes: Mapping[str, WebSocketRoute],
        settings: Settings,
        admission: Admission,
        meters: Meters,
    ) -> None:
        """`routes` by their paths."""
        self._routes = routes
        self._admission = admission
        self._meters = meters
        self._deflates = settings.deflate
        self._proxies = Proxies(settings.proxies)
        self._trusts_proxies = bool(settings.proxies)
        self._origins = Origins(settings.socket_origins, settings.public_url)
        # Nothing of it depends on more than the head and the settings. Whether a client is admitted
        # does, and is asked for each.
        self._terms = lru_cache(HEADS_KNOWN)(self._read_terms)

    def settle(self, request: UsualRequest, peer: str) -> Accepted | bytes | None:
        """Accept a request at once, or refuse it for want of room; None if `answer` must decide.

        `peer`: as for `answer`. Bytes are the response that refuses: very many clients may come at
        once, and a refusal must cost little.
        """
        terms = self._terms(request.head)
        if terms is None:
            return None
        host = terms.host
        if self._trusts_proxies or terms.forwards:
            host, peer = self._addresses(request.head.values, peer)
        if not self._origins.admit(terms.origins, host):
            return None
        route = terms.route
        refusal = self._admit(route)
        if refusal is not None:
            status = HTTPStatus(refusal.code.status)
            self._record(status, terms.path, peer, terms.origins)
            return rejection(status, refusal.message, {"Retry-After": RETRY_AFTER, **_SAFE})
        response = acceptance(request, terms.subprotocol, terms.extensions)
        return Accepted(response, route, peer, bool(terms.extensions))

    def _read_terms(self, head: UsualHead) -> _Terms | None:
        """What a head asks for; None if `answer` must decide."""
        path = head.url.decode("latin-1").partition("?")[0]
        route = self._routes.get(path)
        offered = _tokens(head.values("Sec-WebSocket-Protocol"))
        offer = head.headers.get(b"sec-websocket-extensions") if self._deflates else None
        extensions = b"" if offer is None else negotiate(offer)
        if (
            route is None
            or extensions is None
            or (route.subprotocol is not None and offered and route.subprotocol not in offered)
        ):
            return None
        return _Terms(
            route=route,
            path=path,
            host=_only(head.values("Host")),
            origins=head.values("Origin"),
            subprotocol=route.subprotocol if route.subprotocol in offered else None,
            extensions=extensions,
            forwards=any(map(head.values, HEADERS)),
        )

    def answer(self, request: Request, peer: str) -> tuple[Response, WebSocketRoute | None, str]:
        """Check a request, and accept or refuse it.

        Args:
            peer: the address that the request came from.

        Returns:
            the response, the route that it opens (None if it refuses), and the client's address.
        """
        parser = ServerProtocol(extensions=self._extensions(request), logger=logger)
        route = self._routes.get(request.path.partition("?")[0])
        host, peer = self._addresses(request.headers.get_all, peer)
        response = self._respond(parser, request, route, host)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            route = None
            response.headers.update(_SAFE)
            path, origins = request.path.partition("?")[0], request.headers.get_all("Origin")
            self._record(response.status_code, path, peer, origins)
        parser.parser.close()  # breaks a reference cycle, which only the collector would free
        return response, route, peer

    def _extensions(self, request: Request) -> list[ServerPerMessageDeflateFactory]:
        """Compression, except for a client that asks for a smaller window: frames are shared."""
        offers = ",".join(request.headers.get_all("Sec-WebSocket-Extensions"))
        return [DEFLATE] if self._deflates and "server_max_window_bits" not in offers else []

    def _respond(
        self, parser: ServerProtocol, request: Request, route: WebSocketRoute | None, host: str
    ) -> Response:
        if _has_body(request):
            return parser.reject(HTTPStatus.BAD_REQUEST, "A handshake has no body.\n")
        offered = _tokens(request.headers.get_all("Sec-WebSocket-Protocol"))
        if route is None:
            return parser.reject(HTTPStatus.NOT_FOUND, "There is no WebSocket here.\n")
        if not self._origins.admit(request.headers.get_all("Origin"), host):
            self._meters.limit_hits[Limit.WS_ORIGINS] += 1
            return parser.reject(
                HTTPStatus.FORBIDDEN, "Pages of this origin may open no WebSocket here.\n"
            )
        if route.subprotocol is not None and offered and route.subprotocol not in offered:
            return parser.reject(
                HTTPStatus.BAD_REQUEST, f"The sub-protocol here is {route.subprotocol}.\n"
            )
        refusal = self._admit(route)
        if refusal is not None:
            response = parser.reject(HTTPStatus(refusal.code.status), f"{refusal.message}\n")
            response.headers["Retry-After"] = RETRY_AFTER
            return response
        response = parser.accept(request)
        if route.subprotocol in offered:
            response.headers["Sec-WebSocket-Protocol"] = route.subprotocol
        return response

    def _admit(self, route: WebSocketRoute) -> Refusal | None:
        return self._admission.check() if route.is_paced else self._admission.check_room()

    def _record(self, status: int, path: str, peer: str, origins: list[str]) -> None:
        """Record a refusal in the audit log, unless the request was wrong (400 or 404)."""
        if status not in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
            origin = ", ".join(origins) or None
            self._admission.record_refusal(20_000 + status, path, peer, origin=origin)

    def _addresses(self, values: Callable[[str], list[str]], peer: str) -> tuple[str, str]:
        """The host and the client's address, from the headers of a trusted proxy if any.

        `values`: returns the values of a header.
        """
        host = values("Host")
        address = peer.rpartition(":")[0]
        forwarded = self._proxies.resolve(address, values)
        if forwarded is None:
            self._admission.report_forwarding(address, filter(values, HEADERS))
        else:
            peer = forwarded.client or peer
            host = [forwarded.host] if forwarded.host else host
        return _only(host), peer


def _has_body(request: Request) -> bool:
    """True if the request has a body: this server would read it as frames, a proxy as a body."""
    lengths = set(request.headers.get_all("Content-Length"))
    return "Transfer-Encoding" in request.headers or not lengths <= {"0"}


def _only(values: list[str]) -> str:
    """The value of a header that must occur once; empty if it does not."""
    return values[0] if len(values) == 1 else ""


def _tokens(headers: list[str]) -> list[str]:
    return [token.strip() for header in headers for token in header.split(",")]
