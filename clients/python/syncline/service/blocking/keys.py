# Made by scripts/generate-blocking. Do not edit: change the async source.
"""The API keys of a server."""

from __future__ import annotations

from collections.abc import Iterator

from syncline.errors import NotFound
from syncline.service.dictionary import Container
from syncline.service.resources import ApiKey

from .http import Http, path_segment
from .listing import check_limits, listing

__all__ = ["Keys"]

PATH = "v1/Keys"


class Keys(Container[str]):
    """The API keys of a server. Only the account's own login may use them, not an API key.

    All methods raise Forbidden for the login of an API key.
    """

    def __init__(self, http: Http) -> None:
        """Applications use `keys` of a service instead."""
        self._http = http

    def create(self, friendly_name: str | None = None, *, login_only: bool = False) -> ApiKey:
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
        return ApiKey.parse(self._http.call("POST", PATH, data=form))

    def get(self, sid: str) -> ApiKey:
        """Read a key, without its secret.

        Raises:
            NotFound: there is none.
        """
        return ApiKey.parse(self._http.call("GET", self._path_of(sid)))

    def __getitem__(self, sid: str) -> ApiKey:
        """As `get`."""
        return self.get(sid)

    def has(self, sid: str) -> bool:
        """True if there is such a key."""
        try:
            self.get(sid)
        except NotFound:
            return False
        return True

    def remove(self, sid: str) -> None:
        """Revoke a key, with the tokens that it signed; connections that use it are closed.

        Raises:
            NotFound: there is none.
        """
        self._http.call("DELETE", self._path_of(sid), repeatable=True)

    def list(self, *, limit: int | None = None, page_size: int = 50) -> Iterator[ApiKey]:
        """Iterate over the keys, without their secrets; arguments as in `list` of documents."""
        check_limits(limit, page_size)
        return listing(self._http, PATH, "keys", ApiKey.parse, limit=limit, page_size=page_size)

    def __iter__(self) -> Iterator[ApiKey]:
        """As `list`."""
        return self.list()

    def _path_of(self, sid: str) -> str:
        return f"{PATH}/{path_segment(sid)}"
