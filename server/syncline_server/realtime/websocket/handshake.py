"""The opening handshake of a WebSocket (RFC 6455, section 4), and its checks."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus

from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol

from syncline_server import http as rest
from syncline_server.auth.origins import Origins
from syncline_server.config.networks import Proxies
from syncline_server.config.settings import Settings
from syncline_server.observability.metrics import Limit, Meters
from syncline_server.realtime.admission import Admission

from .route import WebSocketRoute

__all__ = ["Handshake"]

logger = logging.getLogger("syncline.socket")

RETRY_AFTER = 1
"""Seconds after which a refused client may try again."""


_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True
)


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
        self._origins = Origins(settings.socket_origins, settings.public_url)

    def answer(self, request: Request, peer: str) -> tuple[Response, WebSocketRoute | None, str]:
        """Check a request, and accept or refuse it.

        Args:
            peer: the address that the request came from.

        Returns:
            the response, the route that it opens (None if it refuses), and the client's address.
        """
        parser = ServerProtocol(extensions=self._extensions(request), logger=logger)
        route = self._routes.get(request.path.partition("?")[0])
        host, peer = self._addresses(request, peer)
        response = self._respond(parser, request, route, host)
        if response.status_code != HTTPStatus.SWITCHING_PROTOCOLS:
            route = None
            response.headers[rest.NO_SNIFFING[0]] = rest.NO_SNIFFING[1]
            self._record_refusal(response, request, peer)
        parser.parser.close()  # breaks a reference cycle, which only the collector would free
        return response, route, peer

    def _extensions(self, request: Request) -> list[ServerPerMessageDeflateFactory]:
        """Compression, except for a client that asks for a smaller window: frames are shared."""
        offers = ",".join(request.headers.get_all("Sec-WebSocket-Extensions"))
        return [_DEFLATE] if self._deflates and "server_max_window_bits" not in offers else []

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
        refusal = self._admission.check() if route.is_paced else self._admission.check_room()
        if refusal is not None:
            response = parser.reject(HTTPStatus(refusal.code.status), f"{refusal.message}\n")
            response.headers["Retry-After"] = str(RETRY_AFTER)
            return response
        response = parser.accept(request)
        if route.subprotocol in offered:
            response.headers["Sec-WebSocket-Protocol"] = route.subprotocol
        return response

    def _record_refusal(self, response: Response, request: Request, peer: str) -> None:
        """Record a refusal in the audit log, unless the request was wrong (400 or 404)."""
        if response.status_code not in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST):
            path, origins = request.path.partition("?")[0], request.headers.get_all("Origin")
            self._admission.record_refusal(
                20_000 + response.status_code, path, peer, origin=", ".join(origins) or None
            )

    def _addresses(self, request: Request, peer: str) -> tuple[str, str]:
        """The host and the client's address, from the headers of a trusted proxy if any."""
        host = request.headers.get_all("Host")
        address = peer.rpartition(":")[0]
        forwarded = self._proxies.resolve(address, request.headers.get_all)
        if forwarded is None:
            self._admission.report_forwarding(address, request.headers)
        else:
            peer = forwarded.client or peer
            host = [forwarded.host] if forwarded.host else host
        return (host[0] if len(host) == 1 else ""), peer


def _has_body(request: Request) -> bool:
    """True if the request has a body: this server would read it as frames, a proxy as a body."""
    lengths = set(request.headers.get_all("Content-Length"))
    return "Transfer-Encoding" in request.headers or not lengths <= {"0"}


def _tokens(headers: list[str]) -> list[str]:
    return [token.strip() for header in headers for token in header.split(",")]
