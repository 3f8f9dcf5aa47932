"""HTTP requests of one REST transport."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from ssl import SSLContext
from typing import Any
from urllib.parse import quote

import httpx2
import orjson

from syncline_protocol.objects import DOCUMENT, ObjectType

from .errors import ConnectionLost, SynclineError, Unauthorized
from .header import JsonObject
from .proxies import Proxy
from .refusals import not_syncline, refusal
from .rest_requests import segment
from .token import Claims
from .transport import Interrupted

__all__ = ["BROKEN_ERRORS", "NETWORK_ERRORS", "Http", "body_of"]

NETWORK_ERRORS = (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError)
"""Raised for a connection that fails, and for a reply that is not HTTP or not JSON."""

BROKEN_ERRORS = (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError)
"""Raised when a connection breaks that was open when the request was sent."""


class Http:
    """Requests to the objects of one service, under one token.

    If the network fails for one of them, or the server refuses the token, all end together and
    raise `Interrupted`.

    Attributes:
        ended: done when the requests have ended; its result is the reason.
        client: sends the requests.
        reply_timeout: seconds to wait for a reply.
    """

    def __init__(
        self,
        url: str,
        token: str,
        *,
        reply_timeout: float,
        ssl: SSLContext | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self.ended: asyncio.Future[SynclineError] = asyncio.get_running_loop().create_future()
        self.reply_timeout = reply_timeout
        self._service = f"v1/Services/{quote(Claims.of(token).service_sid, safe='')}"
        self._way = "" if proxy is None else f" through the proxy {proxy}"
        self.client = httpx2.AsyncClient(
            base_url=url,
            # A token read from a file may end with a line break, which a header cannot carry.
            headers={"Authorization": f"Bearer {token.strip()}"},
            timeout=httpx2.Timeout(reply_timeout, pool=None),
            # An explicit transport: otherwise httpx2 reads the proxies of the environment.
            transport=httpx2.AsyncHTTPTransport(
                verify=ssl or True,
                # Each open object keeps one connection busy, so there is no limit.
                limits=httpx2.Limits(max_connections=None),
                proxy=None if proxy is None else httpx2.Proxy(proxy.url),
            ),
        )

    def path_to(self, address: str | None, type_: ObjectType = DOCUMENT) -> str:
        """Path of an object; None: of the objects of that type."""
        objects = f"{self._service}/{type_.plural.capitalize()}"
        return objects if address is None else f"{objects}/{segment(address)}"

    async def check(self) -> None:
        """Send a cheap request: it costs the server only the check of the token."""
        await self.call("GET", "v3/Configuration")

    async def call(self, method: str, path: str, **request: Any) -> JsonObject:
        """Send a request and return the body of the reply; {} for 204."""
        return (await self.exchange(method, path, **request))[1]

    async def exchange(self, method: str, path: str, **request: Any) -> tuple[int, JsonObject]:
        """Send a request and return the status and the body of the reply; {} for 204."""
        if self.ended.done():
            raise Interrupted
        try:
            reply = await self._send(method, path, **request)
        except NETWORK_ERRORS as error:
            raise self.lost(error) from error
        if not reply.is_success:
            raise self.failed(refusal(reply))
        body = body_of(method, reply)
        if body is None:
            raise self.failed(not_syncline(reply))
        return reply.status_code, body

    def failed(self, error: SynclineError) -> Exception:
        """The exception to raise; a refused token or a lost connection also ends the requests."""
        if isinstance(error, Unauthorized | ConnectionLost):
            self.finish(error)
            return Interrupted()
        return error

    def lost(self, error: Exception) -> Interrupted:
        """End the requests because of a failure of the network."""
        silent = isinstance(error, httpx2.TimeoutException)
        what = f"gave no sign of life for {self.reply_timeout:g} s" if silent else "broke"
        reason = ConnectionLost(f"the connection{self._way} {what}: {error!r}")
        # Silence means a half-open connection: redial at once. A server that is down refuses.
        reason.at_once = isinstance(error, httpx2.ReadTimeout)
        self.finish(reason)
        return Interrupted()

    def finish(self, reason: SynclineError) -> None:
        """End the requests."""
        if not self.ended.done():
            self.ended.set_result(reason)

    async def _send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        try:
            return await self.client.request(method, path, **request)
        except BROKEN_ERRORS:
            # A proxy may have closed the idle connection just as we sent. Retry once, on another
            # connection; the server applies a write once, because of its `op`.
            return await self.client.request(method, path, **request)


def body_of(method: str, reply: httpx2.Response) -> JsonObject | None:
    """The JSON object in a success, {} for 204; None if the reply is not from Syncline."""
    if reply.status_code == HTTPStatus.NO_CONTENT:
        return {}
    if method == "DELETE":
        return None
    try:
        body = orjson.loads(reply.content)
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
