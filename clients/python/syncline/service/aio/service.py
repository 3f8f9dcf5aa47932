"""The client of a back end."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from syncline.service.login import Login
from syncline.service.pools import AsyncPool
from syncline.service.service_options import OptionValues, ServiceOptions

from .documents import AsyncDocuments
from .http import AsyncHttp
from .keys import AsyncKeys
from .lists import AsyncLists
from .maps import AsyncMaps
from .parked_webhooks import AsyncParkedWebhooks
from .services import AsyncServices
from .streams import AsyncStreams

__all__ = ["AsyncService", "restored"]

S = TypeVar("S", bound="AsyncService")


class AsyncService:
    """One service of a server, for a back end: REST with the account's login.

    ::

        async with AsyncService("http://127.0.0.1:8040", account_sid, auth_token) as service:
            lobby = await service.documents.get_or_create("lobby", {"players": 0})
            await lobby.increment("/players")

    It writes as `system`, and may do everything in every service. Make one for the whole process:
    it opens connections at the first request and keeps them. It can be used by many threads, and
    copied by pickle and fork; each process has connections of its own. A pickle has the secrets in
    it.

    Attributes:
        options: as given.
        service: SID or unique name of the service that it works in.
    """

    def __init__(
        self,
        url: str,
        account_sid: str,
        secret: str,
        *,
        key_sid: str | None = None,
        key_secret: str | None = None,
        auth_token: str | None = None,
        service: str = "default",
        **options: Unpack[OptionValues],
    ) -> None:
        """Nothing is sent yet.

        Args:
            url: base URL of the server, with its path prefix if there is one.
            account_sid: SID of the account; or of an API key, whose secret `secret` then is.
            secret: the account's auth token; or the secret of `key_sid` without `key_secret`.
            key_sid: SID of an API key. With `key_secret`, it signs tokens; without it, it is the
                login too.
            key_secret: secret of the API key, beside the account's auth token.
            auth_token: the account's auth token where an API key is the login, to verify webhooks.
            service: SID or unique name of the service.
            options: those of `ServiceOptions`, by name.

        Raises:
            ValueError: an argument is malformed or out of range.
            TypeError: an option is unknown.
        """
        login = Login.of(
            url,
            account_sid,
            secret,
            key_sid=key_sid,
            key_secret=key_secret,
            auth_token=auth_token,
        )
        self._begin(AsyncPool(login, ServiceOptions(**options)), service)

    @classmethod
    def from_environment(
        cls,
        *,
        service: str | None = None,
        environ: Mapping[str, str] | None = None,
        **options: Unpack[OptionValues],
    ) -> Self:
        """Read server and credentials from the environment, by the names that the commands use.

        `SYNCLINE_URL`; `SYNCLINE_ACCOUNT_SID` with `SYNCLINE_AUTH_TOKEN`, and
        `SYNCLINE_API_KEY_SID` with `SYNCLINE_API_KEY_SECRET`, or one of both; `SYNCLINE_SERVICE`.

        Args:
            service: SID or unique name; None for `SYNCLINE_SERVICE`, or else `default`.
            environ: None for the environment of the process.
            options: those of `ServiceOptions`, by name.

        Raises:
            UsageError: a variable is missing; the text names it.
            ValueError: a value is malformed or out of range.
        """
        variables = os.environ if environ is None else environ
        login = Login.of_environment(variables)
        name = service or variables.get("SYNCLINE_SERVICE") or "default"
        return restored(cls, login, ServiceOptions(**options), name)

    def __reduce__(self) -> tuple[Any, tuple[type[Self], Login, ServiceOptions, str]]:
        """A copy, perhaps in another process, has connections of its own."""
        return restored, (type(self), self._pool.login, self.options, self.service)

    def _begin(self, pool: AsyncPool, service: str) -> None:
        self._pool = pool
        self._http = AsyncHttp(pool, service)
        self.options = pool.options
        self.service = service

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.service!r} at {self._pool.login.url}>"

    @cached_property
    def documents(self) -> AsyncDocuments:
        """The documents of this service."""
        return AsyncDocuments(self._http)

    @cached_property
    def maps(self) -> AsyncMaps:
        """The maps of this service."""
        return AsyncMaps(self._http)

    @cached_property
    def lists(self) -> AsyncLists:
        """The lists of this service."""
        return AsyncLists(self._http)

    @cached_property
    def streams(self) -> AsyncStreams:
        """The streams of this service."""
        return AsyncStreams(self._http)

    @cached_property
    def parked_webhooks(self) -> AsyncParkedWebhooks:
        """The parked webhooks of this service."""
        return AsyncParkedWebhooks(self._http)

    @cached_property
    def services(self) -> AsyncServices:
        """All services of the server."""
        return AsyncServices(self._http)

    @cached_property
    def keys(self) -> AsyncKeys:
        """The API keys of the server."""
        return AsyncKeys(self._http)

    def for_service(self, service: str) -> Self:
        """The same client for another service. Both use the same connections: `close` of one
        closes both.

        Args:
            service: SID or unique name.
        """
        other = type(self).__new__(type(self))
        other._begin(self._pool, service)
        return other

    def mint_token(self, identity: str, *, ttl: int = 3600, service: str | None = None) -> str:
        """Make an access token for a browser or another client, without a request.

        Args:
            identity: of the token holder, 1 to 256 characters.
            ttl: seconds until it expires, 24 hours at most.
            service: SID or unique name of the service that the token is for; None for this one.

        Raises:
            ValueError: the identity, `ttl` or `service` is not allowed.
            UsageError: the SID of the account, or an API key to sign with, is not known.
        """
        name = self.service if service is None else service
        return self._pool.login.mint_token(identity, ttl=ttl, service=name)

    def verify_webhook(
        self, url: str, params: Mapping[str, Any] | str | bytes, signature: str | None
    ) -> bool:
        """True if this server has sent a webhook. Compared in constant time.

        Args:
            url: `webhook_url` as it was set, not the one that a framework derives from a request.
            params: the fields of the form, or the whole body of the request.
            signature: the header `X-Twilio-Signature`; None if there is none.

        Raises:
            UsageError: the account's auth token is not known, or `params` is no form.
        """
        return self._pool.login.verify_webhook(url, params, signature)

    async def close(self) -> None:
        """Close the connections; later calls raise `ClientClosed`. Safe to repeat."""
        await self._pool.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def restored(kind: type[S], login: Login, options: ServiceOptions, service: str) -> S:
    """A service with a login that was checked before."""
    made = kind.__new__(kind)
    made._begin(AsyncPool(login, options), service)
    return made
