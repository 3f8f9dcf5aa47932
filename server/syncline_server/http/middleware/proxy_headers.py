"""`X-Forwarded-*` headers of trusted proxies, applied to the request."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_server.config.networks import Proxies
from syncline_server.observability.forwarding_notice import HEADERS, ForwardingNotice

__all__ = ["Forwarding"]

_HEADERS = frozenset(name.encode() for name in HEADERS)


class Forwarding:
    """Sets the client, the scheme and the `Host` of requests that come from trusted proxies.

    If the proxy names no client, the client is None: it is not the proxy. From any other address
    these headers are ignored, with one log line for each address.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies, notice: ForwardingNotice) -> None:
        self._app = app
        self._proxies = proxies
        self._notice = notice

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client") is not None:
            self._resolve(scope)
        await self._app(scope, receive, send)

    def _resolve(self, scope: Scope) -> None:
        said = self._proxies.resolve(scope["client"][0], lambda name: _values(scope, name))
        if said is None:
            for name, _ in scope["headers"]:
                if name in _HEADERS:
                    self._notice.log_once(scope["client"][0], name.decode())
            return
        scope["client"] = None if said.client is None else (said.client, 0)
        if said.scheme is not None:
            scope["scheme"] = said.scheme
        if said.host is not None:
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", said.host.encode("latin-1")), *others]


def _values(scope: Scope, name: str) -> list[str]:
    return Headers(scope=scope).getlist(name)
