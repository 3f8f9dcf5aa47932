"""Trace spans of HTTP requests; installed only if traces are on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_server.http.errors import REFUSED

from .exchange import ALWAYS_ANSWERED

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = ["Traced"]


class Traced:
    """A span for each request, which ends at the head of its reply: an event stream may last for
    days."""

    def __init__(self, app: ASGIApp, traces: Traces) -> None:
        self._app = app
        self._traces = traces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in ALWAYS_ANSWERED:
            return await self._app(scope, receive, send)
        with self._traces.request(scope["method"], Headers(scope=scope)) as span:

            async def ending_send(message: Message) -> None:
                if message["type"] == "http.response.start" and span.is_recording():
                    code = scope.get("state", {}).get(REFUSED)
                    self._traces.end(
                        span,
                        scope["method"],
                        scope.get("pattern"),
                        status=message["status"],
                        code=code,
                    )
                await send(message)

            await self._app(scope, receive, ending_send)
