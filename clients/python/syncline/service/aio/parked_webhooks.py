"""The parked webhooks of one service."""

from __future__ import annotations

from collections.abc import AsyncIterator

from syncline.errors import NotFound
from syncline.service.dictionary import AsyncContainer
from syncline.service.resources import ParkedWebhook

from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncParkedWebhooks"]


class AsyncParkedWebhooks(AsyncContainer[str]):
    """The webhooks of one service whose delivery was given up, the oldest first."""

    def __init__(self, http: AsyncHttp) -> None:
        """Applications use `parked_webhooks` of a service instead."""
        self._http = http
        self._path = f"{http.service_path}/ParkedWebhooks"

    async def get(self, webhook_id: str) -> ParkedWebhook:
        """Read a parked webhook.

        Raises:
            NotFound: there is none.
        """
        return ParkedWebhook.parse(await self._http.call("GET", self._path_of(webhook_id)))

    async def __getitem__(self, webhook_id: str) -> ParkedWebhook:
        """As `get`."""
        return await self.get(webhook_id)

    async def has(self, webhook_id: str) -> bool:
        """True if there is such a webhook."""
        try:
            await self.get(webhook_id)
        except NotFound:
            return False
        return True

    async def replay(self, webhook_id: str) -> None:
        """Queue a webhook for delivery again, behind those that wait.

        Raises:
            NotFound: there is none.
            RequestTimeout: the reply was lost. The webhook is queued if it is parked no longer.
        """
        await self._http.call("POST", f"{self._path_of(webhook_id)}/Replay")

    async def remove(self, webhook_id: str) -> None:
        """Delete a webhook permanently.

        Raises:
            NotFound: there is none.
        """
        await self._http.call("DELETE", self._path_of(webhook_id), repeatable=True)

    def list(
        self, *, limit: int | None = None, page_size: int = 50
    ) -> AsyncIterator[ParkedWebhook]:
        """Iterate over the parked webhooks; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return async_listing(
            self._http,
            self._path,
            "parked_webhooks",
            ParkedWebhook.parse,
            limit=limit,
            page_size=page_size,
        )

    def __aiter__(self) -> AsyncIterator[ParkedWebhook]:
        """As `list`."""
        return self.list()

    def _path_of(self, webhook_id: str) -> str:
        return f"{self._path}/{path_segment(webhook_id)}"
