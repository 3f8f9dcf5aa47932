"""Requests to a service over REST, again and again until the outcome is known."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Self
from urllib.parse import quote

import httpx2
import orjson

from syncline import RequestError
from syncline.refusals import refusal
from syncline_tools.verify.client import REQUEST_TIMEOUT

from .operation import Refused

__all__ = ["RETRY_PAUSE", "Rest"]

RETRY_PAUSE = 0.1
"""Seconds before a request that got no answer is made again."""


class Rest:
    """One client of a service, through a link; used as `async with`."""

    def __init__(self, url: str, service: str, token: Callable[[], str]) -> None:
        """`url`: of the link."""
        self._path = f"v1/Services/{quote(service, safe='')}"
        self._token = token
        self._http = httpx2.AsyncClient(base_url=url, timeout=REQUEST_TIMEOUT)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End all connections."""
        await self._http.aclose()

    async def send(self, method: str, path: str, **request: Any) -> httpx2.Response:
        """The reply of success to a request below the service's path.

        It is sent again until it is answered, so a write needs an operation id.

        Raises:
            Refused: it will not be carried out.
        """
        headers = request.pop("headers", {})
        while True:
            authorized = {"Authorization": f"Bearer {self._token()}", **headers}
            try:
                reply = await self._http.request(
                    method, f"{self._path}/{path}", headers=authorized, **request
                )
            except httpx2.TransportError:
                await asyncio.sleep(RETRY_PAUSE)
                continue
            if reply.is_success:
                return reply
            error = refusal(reply)
            if isinstance(error, RequestError) and not error.retry:
                raise Refused(int(error.code), _newest(reply), str(error))
            await asyncio.sleep(RETRY_PAUSE)

    async def get(self, path: str, query: dict[str, str]) -> Any:
        """The body of a resource. Raises `Refused`."""
        return orjson.loads((await self.send("GET", path, params=query)).content)


def _newest(reply: httpx2.Response) -> int | None:
    if reply.status_code != HTTPStatus.PRECONDITION_FAILED:
        return None
    item = (orjson.loads(reply.content).get("details") or {}).get("item")
    return None if item is None else int(item["revision"])
