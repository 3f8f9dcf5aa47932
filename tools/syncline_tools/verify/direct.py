"""The server past all faults, over REST: what prepares a run, and what it is judged by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2
import orjson

from syncline import ConnectionLost, JsonObject, NotFound, Unavailable
from syncline.refusals import refusal

__all__ = ["Direct"]

TIMEOUT = 10.0
"""Seconds for each step of a request."""

RETRY_PAUSE = 0.2
"""Seconds between attempts."""

REPLY_TIMEOUT = 60.0
"""Seconds for which a server may be away; half of what it remembers an operation id for."""

CONNECTIONS = 16


class Direct:
    """One service, its documents above all; used as `async with`.

    All methods but `check` wait for a server that is away. They raise `RequestError` for what it
    refuses, and `ConnectionLost` when it does not come back.

    Attributes:
        server_time: the `Date` of the last reply, in seconds since 1970; None without one.
    """

    def __init__(
        self,
        url: str,
        service: str,
        token: Callable[[], str],
        tls: SSLContext | None = None,
    ) -> None:
        """`tls`: how the server's certificate is checked; None is as usual."""
        self.server_time: float | None = None
        self._token = token
        self._service = f"v1/Services/{quote(service, safe='')}"
        self._path = f"{self._service}/Documents"
        self._http = httpx2.AsyncClient(
            base_url=url,
            timeout=TIMEOUT,
            limits=httpx2.Limits(max_connections=CONNECTIONS),
            verify=tls or True,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def check(self) -> None:
        """Find out whether the server is there and takes the token; one attempt.

        Raises:
            httpx2.TransportError: it cannot be reached.
            ConnectionLost: something else is there.
            RequestError: it refuses.
        """
        await self._call("GET", self._path, params={"PageSize": "1"})

    async def create(self, name: str, data: JsonObject, ttl: int) -> JsonObject:
        """The resource of a new document."""
        form = {"UniqueName": name, "Data": orjson.dumps(data).decode(), "Ttl": str(ttl)}
        headers = {"Idempotency-Key": uuid4().hex}
        created: JsonObject = await self._persist("POST", self._path, data=form, headers=headers)
        return created

    async def read(self, document: str) -> JsonObject | None:
        """The resource of a document; None if there is none."""
        try:
            found: JsonObject = await self._persist("GET", f"{self._path}/{document}")
        except NotFound:
            return None
        return found

    async def remove(self, document: str) -> None:
        """Remove a document, if it is there."""
        try:
            await self._persist("DELETE", f"{self._path}/{document}")
        except NotFound:
            pass

    async def request(self, method: str, path: str, **request: Any) -> Any:
        """The body of the reply to a request below the service's path; None if it is empty."""
        return await self._persist(method, f"{self._service}/{path}", **request)

    async def _persist(self, method: str, path: str, **request: Any) -> Any:
        try:
            async with asyncio.timeout(REPLY_TIMEOUT):
                while True:
                    try:
                        return await self._call(method, path, **request)
                    except (httpx2.TransportError, Unavailable, ConnectionLost):
                        await asyncio.sleep(RETRY_PAUSE)
        except TimeoutError:
            raise ConnectionLost(f"the server has been away for {REPLY_TIMEOUT:g} s") from None

    async def _call(self, method: str, path: str, **request: Any) -> Any:
        headers = {"Authorization": f"Bearer {self._token()}"} | request.pop("headers", {})
        reply = await self._http.request(method, path, headers=headers, **request)
        self.server_time = _date(reply)
        if not reply.is_success:
            raise refusal(reply)
        return orjson.loads(reply.content) if reply.status_code != HTTPStatus.NO_CONTENT else None


def _date(reply: httpx2.Response) -> float | None:
    try:
        return parsedate_to_datetime(reply.headers["date"]).timestamp()
    except (KeyError, ValueError):
        return None
