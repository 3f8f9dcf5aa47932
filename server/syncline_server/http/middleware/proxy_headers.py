"""What trusted proxies say of a request takes the place of what the connection says."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from syncline_server.config.networks import Proxies

__all__ = ["Forwarding"]


class Forwarding:
    """Sets the client, the scheme and the `Host` of requests that come from trusted proxies.

    A client that they do not name is unknown: it is not the proxy.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("client") is not None:
            self._resolve(scope)
        await self._app(scope, receive, send)

    def _resolve(self, scope: Scope) -> None:
        said = self._proxies.look(scope["client"][0], Headers(scope=scope).getlist)
        if said is None:
            return
        scope["client"] = None if said.client is None else (said.client, 0)
        if said.scheme is not None:
            scope["scheme"] = said.scheme
        if said.host is not None:
            others = [(name, value) for name, value in scope["headers"] if name != b"host"]
            scope["headers"] = [(b"host", said.host.encode("latin-1")), *others]
