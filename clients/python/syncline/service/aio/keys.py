"""The API keys of a server."""

from __future__ import annotations

from collections.abc import AsyncIterator

from syncline.errors import NotFound
from syncline.service.dictionary import AsyncContainer
from syncline.service.resources import ApiKey

from .http import AsyncHttp, path_segment
from .listing import async_listing, check_limits

__all__ = ["AsyncKeys"]

PATH = "v1/Keys"


class AsyncKeys(AsyncContainer[str]):
    """The API keys of a server. Only the account's own login may use them, not an API key.

    All methods raise Forbidden for the login of an API key.
    """

    def __init__(self, http: AsyncHttp) -> None:
        """Applications use `keys` of a service instead."""
        self._http = http

    async def create(self, friendly_name: str | None = None, *, login_only: bool = False) -> ApiKey:
        """Create a key; the answer has its secret, which cannot be read again.

        A lost reply is not settled: the secret is lost with it. The call then raises
        `RequestTimeout`; look for the key in `list`, and remove it.

        Args:
            friendly_name: name for human readers.
            login_only: True for a key that signs no tokens.

        Raises:
            Conflict: the limit of keys is reached.
        """
        form = {"LoginOnly": "true" if login_only else "false"}
        if friendly_name is not None:
            form["FriendlyName"] = friendly_name
        return ApiKey.parse(await self._http.call("POST", PATH, data=form))

    async def get(self, sid: str) -> ApiKey:
        """Read a key, without its secret.

        Raises:
            NotFound: there is none.
        """
        return ApiKey.parse(await self._http.call("GET", self._path_of(sid)))

    async def __getitem__(self, sid: str) -> ApiKey:
        """As `get`."""
        return await self.get(sid)

    async def has(self, sid: str) -> bool:
        """True if there is such a key."""
        try:
            await self.get(sid)
        except NotFound:
            return False
        return True

    async def remove(self, sid: str) -> None:
        """Revoke a key, with the tokens that it signed; connections that use it are closed.

        Raises:
            NotFound: there is none.
        """
        await self._http.call("DELETE", self._path_of(sid), repeatable=True)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> AsyncIterator[ApiKey]:
        """Iterate over the keys, without their secrets; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return async_listing(
            self._http, PATH, "keys", ApiKey.parse, limit=limit, page_size=page_size
        )

    def __aiter__(self) -> AsyncIterator[ApiKey]:
        """As `list`."""
        return self.list()

    def _path_of(self, sid: str) -> str:
        return f"{PATH}/{path_segment(sid)}"
