"""The services of a server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from typing import Unpack

from syncline.errors import Conflict, NotFound
from syncline.service.dictionary import AsyncContainer
from syncline.service.resources import ServiceInfo, ServiceSettings

from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncServices"]

PATH = "v1/Services"


class AsyncServices(AsyncContainer[str]):
    """The services of a server; each has its own documents, lists, maps and streams."""

    def __init__(self, http: AsyncHttp) -> None:
        """Applications use `services` of a service instead."""
        self._http = http

    async def create(
        self, *, sid: str | None = None, **settings: Unpack[ServiceSettings]
    ) -> ServiceInfo:
        """Create a service.

        Args:
            sid: `IS` and 32 hexadecimal digits; None makes one.
            settings: as in `update`.

        Raises:
            Conflict: the SID is taken, or the limit of services is reached.
            InvalidRequest: a setting is not allowed.
        """
        # A SID of our own makes a lost reply known: the service exists, or it does not.
        chosen = sid or f"IS{secrets.token_hex(16)}"
        form = _form(settings)
        form["Sid"] = chosen
        try:
            made = await self._http.call("POST", PATH, data=form, repeatable=True)
        except Conflict:
            if sid is None and await self.has(chosen):
                return await self.get(chosen)
            raise
        return ServiceInfo.parse(made)

    async def get(self, service: str) -> ServiceInfo:
        """Read a service by its SID, or `default`.

        Raises:
            NotFound: there is none.
        """
        return ServiceInfo.parse(await self._http.call("GET", self._path_of(service)))

    async def __getitem__(self, service: str) -> ServiceInfo:
        """As `get`."""
        return await self.get(service)

    async def has(self, service: str) -> bool:
        """True if there is such a service."""
        try:
            await self.get(service)
        except NotFound:
            return False
        return True

    async def update(self, service: str, **settings: Unpack[ServiceSettings]) -> ServiceInfo:
        """Change settings of a service.

        Args:
            settings: by the names of `ServiceInfo`: `friendly_name`, `webhook_url`,
                `webhooks_from_rest_enabled`, `acl_enabled`, `reachability_webhooks_enabled`,
                `reachability_debouncing_enabled` and `reachability_debouncing_window`. None clears
                `friendly_name` and `webhook_url`.

        Raises:
            NotFound: there is no such service.
            InvalidRequest: a setting is unknown, or its value is not allowed.
        """
        path, form = self._path_of(service), _form(settings)
        return ServiceInfo.parse(await self._http.call("POST", path, data=form, repeatable=True))

    async def remove(self, service: str) -> None:
        """Delete a service with all its objects.

        Raises:
            NotFound: there is none.
            Forbidden: it is the default service.
        """
        await self._http.call("DELETE", self._path_of(service), repeatable=True)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> AsyncIterator[ServiceInfo]:
        """Iterate over the services; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return async_listing(
            self._http, PATH, "services", ServiceInfo.parse, limit=limit, page_size=page_size
        )

    def __aiter__(self) -> AsyncIterator[ServiceInfo]:
        """As `list`."""
        return self.list()

    def _path_of(self, service: str) -> str:
        return f"{PATH}/{path_segment(service)}"


def _form(settings: ServiceSettings) -> dict[str, str]:
    """The form that sets them; an empty value clears what can be cleared."""
    form: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, bool):
            form[name] = "true" if value else "false"
        else:
            form[name] = "" if value is None else str(value)
    return form
