"""HTTP client of an OpenID provider: fetches its configuration and its keys."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson

from syncline_server.config.urls import is_loopback, is_secure
from syncline_server.observability.metrics import Limit

from .keys import Keys, read_keys

__all__ = ["BODY_LIMIT", "Provider", "Unusable"]

BODY_LIMIT = 262_144
"""Maximum bytes in a reply; reading stops beyond."""

CONFIGURATION = "/.well-known/openid-configuration"

_HEADERS = {
    "Accept": "application/json",
    # Without compression `BODY_LIMIT` bounds the memory too.
    "Accept-Encoding": "identity",
    "User-Agent": "syncline",
}


class Unusable(Exception):
    """The provider gave no keys; the text says why, in one line."""


class Provider:
    """One provider. Uses HTTPS, or HTTP on this machine, and follows no redirect."""

    def __init__(
        self, issuer: str, jwks_url: str | None, timeout: float, limit_hits: Counter[Limit]
    ) -> None:
        """
        Args:
            issuer: the provider's URL, as in its tokens.
            jwks_url: URL of the keys; None to take it from the provider's configuration.
            timeout: seconds for one reply.
            limit_hits: counts hits of limits, by setting.
        """
        self._issuer = issuer
        self._jwks_url = jwks_url
        self._timeout = timeout
        self._limit_hits = limit_hits
        self._http = httpx2.AsyncClient(
            headers=_HEADERS,
            timeout=timeout,
            verify=httpx2.create_ssl_context(),
            # A proxy named in the environment cannot reach this machine's loopback.
            trust_env=not _is_here(issuer),
        )

    async def keys(self) -> Keys:
        """Fetch the keys that the provider publishes now. Raises `Unusable`."""
        url = self._jwks_url or await self._discover()
        try:
            return read_keys(await self._get(url))
        except ValueError as error:
            raise Unusable(f"{url} returns no key set: {error}") from None

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _discover(self) -> str:
        url = self._issuer.removesuffix("/") + CONFIGURATION
        found = await self._get(url)
        if found.get("issuer") != self._issuer:
            raise Unusable(f"{url} names another issuer")
        jwks_url = found.get("jwks_uri")
        if not isinstance(jwks_url, str) or not is_secure(jwks_url):
            raise Unusable(f"{url} names no jwks_uri that begins with https://")
        if _is_here(jwks_url) and not _is_here(self._issuer):
            raise Unusable(f"{url} names a jwks_uri on this machine")
        return jwks_url

    async def _get(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._body(url)
        except TimeoutError:
            self._limit_hits[Limit.OIDC_TIMEOUT] += 1
            raise Unusable(f"{url} took more than {self._timeout:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as error:
            raise Unusable(f"{url} cannot be fetched: {error or type(error).__name__}") from None
        try:
            found = orjson.loads(body)
        except ValueError:
            raise Unusable(f"{url} returns no JSON") from None
        if not isinstance(found, dict):
            raise Unusable(f"{url} returns no JSON object")
        return found

    async def _body(self, url: str) -> bytes:
        body = bytearray()
        async with self._http.stream("GET", url) as reply:
            if reply.status_code != httpx2.codes.OK:
                raise Unusable(f"{url} answered {reply.status_code}")
            if reply.headers.get("Content-Encoding", "identity") != "identity":
                raise Unusable(f"{url} is compressed, although no compression was requested")
            async for chunk in reply.aiter_raw():
                body += chunk
                if len(body) > BODY_LIMIT:
                    raise Unusable(f"{url} returns more than {BODY_LIMIT} bytes")
        return bytes(body)


def _is_here(url: str) -> bool:
    return is_loopback(urlsplit(url).hostname or "")
