"""HTTP client of an OpenID provider: fetches its configuration, its keys and ID tokens."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx2
import orjson

from syncline_server.config.urls import is_loopback, is_secure
from syncline_server.observability.metrics import Limit

from .keys import Keys, read_keys

__all__ = ["BODY_LIMIT", "Endpoints", "Provider", "Rejected", "Unusable"]

BODY_LIMIT = 262_144
"""Maximum bytes in a reply; reading stops beyond."""

CONFIGURATION = "/.well-known/openid-configuration"

_HEADERS = {
    "Accept": "application/json",
    # Without compression `BODY_LIMIT` bounds the memory too.
    "Accept-Encoding": "identity",
    "User-Agent": "syncline",
}


_STATUSES = {"GET": (200,), "POST": (200, 400, 401)}
"""Statuses whose body is the answer, by method."""

_ERROR = re.compile(r"[a-z_]{1,64}", re.ASCII)


class Unusable(Exception):
    """The provider gave no keys; the text says why, in one line."""


class Rejected(Exception):
    """The provider rejected a request; the text is its error code (RFC 6749, 5.2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Where people log in, and how the console gets their ID tokens.

    Attributes:
        token_methods: how a client may authenticate at the token endpoint.
    """

    authorization: str
    token: str
    token_methods: tuple[str, ...]


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
        self._configuration_url = issuer.removesuffix("/") + CONFIGURATION
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

    async def endpoints(self) -> Endpoints:
        """Fetch where people log in. Raises `Unusable`."""
        found = await self._configuration()
        methods = found.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
        return Endpoints(
            authorization=self._url_in(found, "authorization_endpoint"),
            token=self._url_in(found, "token_endpoint"),
            token_methods=tuple(methods) if isinstance(methods, list) else (),
        )

    async def exchange(
        self, url: str, form: Mapping[str, str], login: tuple[str, str] | None
    ) -> dict[str, Any]:
        """The reply of the token endpoint to `form`.

        Args:
            login: client id and secret for Basic authentication; None to send none.

        Raises:
            Rejected: the provider accepts the code or the client no longer, or never did.
            Unusable: it gave no other answer.
        """
        auth = None if login is None else httpx2.BasicAuth(*map(quote_plus, login))
        reply = await self._json("POST", url, data=dict(form), auth=auth)
        if "error" in reply:
            error = str(reply["error"])
            raise Rejected(error if _ERROR.fullmatch(error) else "an unknown error")
        return reply

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _discover(self) -> str:
        return self._url_in(await self._configuration(), "jwks_uri")

    async def _configuration(self) -> dict[str, Any]:
        found = await self._get(self._configuration_url)
        if found.get("issuer") != self._issuer:
            raise Unusable(f"{self._configuration_url} names another issuer")
        return found

    def _url_in(self, configuration: Mapping[str, Any], name: str) -> str:
        source, url = self._configuration_url, configuration.get(name)
        if not isinstance(url, str) or not is_secure(url):
            raise Unusable(f"{source} names no {name} that begins with https://")
        if _is_here(url) and not _is_here(self._issuer):
            raise Unusable(f"{source} names a {name} on this machine")
        return url

    async def _get(self, url: str) -> dict[str, Any]:
        return await self._json("GET", url)

    async def _json(self, method: str, url: str, **options: Any) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._timeout):
                body = await self._body(method, url, **options)
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

    async def _body(self, method: str, url: str, **options: Any) -> bytes:
        body = bytearray()
        # The token endpoint answers a code that it rejects with 400 and an object.
        expected = _STATUSES[method]
        async with self._http.stream(method, url, **options) as reply:
            if reply.status_code not in expected:
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
