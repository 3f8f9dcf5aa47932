"""What every HTTP exchange goes through, whichever route answers it; WebSockets pass untouched.

Plain ASGI, so that event streams pass unbuffered.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from syncline_protocol.errors import Code, Refusal

from .errors import refusal_reply

__all__ = ["REQUEST_ID", "Recovery", "RequestIds", "make_request_id", "with_headers"]

REQUEST_ID = "X-Request-Id"

logger = logging.getLogger(__name__)


class RequestIds:
    """Gives each exchange an id, in its `X-Request-Id` and in what is logged of it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request_id = make_request_id()
            scope.setdefault("state", {})["request_id"] = request_id
            send = with_headers(send, [(REQUEST_ID, request_id)])
        await self._app(scope, receive, send)


class Recovery:
    """Answers what nobody expected with 500: the log gets the traceback, the caller does not.

    Starlette's own handler of this kind stands outside of all other middleware, so that its reply
    would lack their headers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def noting_send(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            await self._app(scope, receive, noting_send)
        except Exception:
            if started:
                raise  # too late for another reply; the server breaks the connection
            request_id = scope["state"]["request_id"]
            logger.exception("%s %s failed (%s)", scope["method"], scope["path"], request_id)
            reply = refusal_reply(
                Request(scope),
                Refusal(
                    Code.INTERNAL, f"An internal error; the server's log has more at {request_id}."
                ),
            )
            await reply(scope, receive, send)


def make_request_id() -> str:
    """`RQ` and 32 hexadecimal digits."""
    return f"RQ{secrets.token_hex(16)}"


def with_headers(send: Send, headers: Iterable[tuple[str, str]]) -> Send:
    """`send`, with these headers on the reply."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            reply = MutableHeaders(scope=message)
            for name, value in headers:
                reply.append(name, value)
        await send(message)

    return sending
