"""REST calls to one service, each repeated until its outcome is known."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from syncline.errors import ClientClosed, InvalidRequest, RequestError
from syncline.header import JsonObject
from syncline.http import NETWORK_ERRORS, body_of
from syncline.refusals import not_syncline, refusal
from syncline.rest_requests import segment
from syncline.service.call_attempts import CallAttempts
from syncline.service.operation_ids import HEADER
from syncline.service.pools import AsyncPool
from syncline.service.waiting import async_sleep
from syncline_protocol.errors import Code
from syncline_protocol.jsonfaults import find_surrogate
from syncline_protocol.objects import DOCUMENT, ObjectType

__all__ = ["AsyncHttp", "path_segment"]


OWN = frozenset({"account_sid", "sid", "meta", "revision"})
"""Members of which each of Syncline's replies has one: a page of something in between has none."""


class AsyncHttp:
    """Sends the requests of one service.

    Attributes:
        pool: the connections.
        service: SID or unique name of the service.
        service_path: path of the service.
    """

    def __init__(self, pool: AsyncPool, service: str) -> None:
        self.pool = pool
        self.service = service
        self.service_path = f"v1/Services/{path_segment(service)}"

    def path_to(self, address: str | None, type_: ObjectType = DOCUMENT) -> str:
        """Path of an object; None: of the objects of that type."""
        objects = f"{self.service_path}/{type_.plural.capitalize()}"
        return objects if address is None else f"{objects}/{path_segment(address)}"

    async def call(self, method: str, path: str, **request: Any) -> JsonObject:
        """Send a request and return the body of the reply; {} for 204."""
        return (await self.exchange(method, path, **request))[1]

    async def exchange(
        self, method: str, path: str, *, repeatable: bool = False, **request: Any
    ) -> tuple[int, JsonObject]:
        """Send a request and return the status and the body of the reply; {} for 204.

        Args:
            repeatable: True if a second execution of a write does no harm, although it has no
                operation id.
            request: arguments of `httpx2`.

        Raises:
            RequestError: the server refused the request.
            ConnectionLost: the server cannot be reached.
            RequestTimeout: a write may have been applied.
        """
        writes = method != "GET"
        has_operation = HEADER in (request.get("headers") or {})
        attempts = CallAttempts(
            f"{method} /{path}",
            self.pool.options,
            writes=writes,
            is_repeatable=not writes or has_operation or repeatable,
        )
        while True:
            client = self.pool.client()
            try:
                reply = await client.request(method, path, timeout=attempts.timeout(), **request)
            except (httpx2.InvalidURL, UnicodeError) as error:
                raise InvalidRequest.local(Code.INVALID_PARAMETER, f"{error}.") from error
            except RuntimeError:
                if not self.pool.is_closed:
                    raise
                raise ClientClosed from None  # by another thread, since `client`
            except NETWORK_ERRORS as error:
                pause = attempts.failed(error)
            else:
                body = body_of(method, reply) if reply.is_success else None
                if body is not None and (reply.status_code == 204 or not OWN.isdisjoint(body)):
                    self.pool.has_answered = True
                    return reply.status_code, body
                answer = not_syncline(reply) if reply.is_success else refusal(reply)
                if isinstance(answer, RequestError):
                    self.pool.has_answered = True
                    if method == "DELETE" and answer.status == 404 and attempts.is_unknown:
                        return 204, {}  # an attempt whose reply was lost has removed it
                pause = attempts.refused(answer, reply.status_code, self.pool.has_answered)
            if pause:
                await async_sleep(pause)

    async def page(
        self, path: str, key: str, query: dict[str, str]
    ) -> tuple[list[JsonObject], dict[str, str] | None]:
        """Read one page of a listing.

        Args:
            key: the member that has the resources.
            query: the one that the page before returned, or the first one.

        Returns:
            the resources, and the query for the next page; None if this is the last one.
        """
        body = await self.call("GET", path, params=query)
        # Only the query: the host in the URL may be another one (behind a proxy).
        following = dict(parse_qsl(urlsplit(body["meta"]["next_page_url"] or "").query))
        return body[key], following or None


def path_segment(text: str) -> str:
    """A name as a segment of a path. Raises `InvalidRequest` if it cannot be one."""
    if not isinstance(text, str) or not text or find_surrogate(text) is not None:
        raise InvalidRequest.local(
            Code.INVALID_NAME, "a SID or a name is a str of at least one character, in UTF-8"
        )
    return segment(text)
