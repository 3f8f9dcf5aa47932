"""`connect`: the options of a client, and its first connection."""

from __future__ import annotations

from collections.abc import Generator
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Any, NoReturn

from .client import Client
from .errors import NotAwaited
from .options import Options, Server, TransportChoice
from .proxies import ProxyChoice
from .token import Token, TokenSource

__all__ = ["connect"]


class connect:
    """Connect to a server.

    Either of::

        async with connect("https://sync.example.com", token=token) as client: ...

        client = await connect("https://sync.example.com", token=token)
        ...
        await client.close()

    The first connection is tried for `open_timeout` seconds. After a break the client reconnects,
    with random, growing pauses, until it is closed. Only the application ends a client, or the
    server itself (a refused token, a final close code). A reply of a gateway, a proxy or a captive
    portal never does: the client tries again.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token,
        transport: TransportChoice = "auto",
        open_timeout: float = 30,
        request_timeout: float = 30,
        mutate_timeout: float = 60,
        backoff_initial: float = 0.5,
        backoff_limit: float = 30,
        websocket_retry: float = 60,
        event_queue: int = 256,
        ssl: SSLContext | None = None,
        deltas: bool = True,
        token_timeout: float = 10,
        probe_after: float = 4,
        probe_timeout: float = 3,
        proxy: ProxyChoice = True,
    ) -> None:
        """
        Args:
            url: base URL of the server: `http(s)://` or `ws(s)://`, without credentials. A path
                is optional.
            token: an access token, or a function, sync or async, that returns a fresh one. The
                client calls it on each connect and when the token is about to expire. If it raises
                or returns no JWT, the client calls it again, with growing pauses; if it raises
                `TokenDenied`, the client ends. It runs in the event loop: a sync function must not
                block.
            transport: `websocket`; `rest` for REST and server-sent events; or `auto`, which falls
                back to REST where WebSockets are blocked.
            open_timeout: seconds for the first connection, all attempts together. One attempt
                takes 10 s at most.
            request_timeout: seconds for one request, including the wait for a connection.
            mutate_timeout: seconds after which `mutate` stops retrying.
            backoff_initial: maximum of the first random pause before a reconnect, in seconds.
            backoff_limit: maximum of every later pause, in seconds.
            websocket_retry: in the fallback, maximum time between WebSocket attempts, in seconds.
            event_queue: events that may wait for one listener; beyond that, the newest are merged
                into one.
            ssl: TLS settings, for a server whose certificate no public authority signed:
                `ssl.create_default_context(cafile=…)`; None uses the default checks.
            deltas: let the server send only the changes of a document, or of an item of a replica,
                where that is shorter; False always asks for whole ones and saves the time to apply
                the changes.
            token_timeout: seconds for one call of the token function.
            probe_after: seconds that a request may wait for its reply while nothing at all comes
                from the server; then the client pings.
            probe_timeout: seconds to wait for any byte after that ping; then the connection counts
                as half-open and is dropped, and its requests are sent again on the next one.
            proxy: URL of a proxy: `http`, `https`, `socks5` or `socks5h` (SOCKS needs the extra
                `syncline[socks]`). True uses the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
                `ALL_PROXY`, except for hosts in `NO_PROXY`). None uses no proxy.

        Raises (when awaited or entered):
            ConnectionLost: the server cannot be reached; the text gives the last error.
            Unauthorized: the server refuses the token.
            TokenUnavailable, TokenDenied: the token function gives no token.
            UsageError: the proxy needs a package that is not installed.
            ValueError: `url` is no server URL, or an option is out of range; raised at once.
        """
        self._server = Server.parse(url)
        self._token = TokenSource(token, token_timeout)
        self._options = Options(
            transport=transport,
            open_timeout=open_timeout,
            request_timeout=request_timeout,
            mutate_timeout=mutate_timeout,
            backoff_initial=backoff_initial,
            backoff_limit=backoff_limit,
            websocket_retry=websocket_retry,
            event_queue=event_queue,
            ssl=ssl,
            deltas=deltas,
            token_timeout=token_timeout,
            probe_after=probe_after,
            probe_timeout=probe_timeout,
            proxy=proxy,
        )
        self._client: Client | None = None

    def __repr__(self) -> str:
        return f"<connect({self._server.http_url!r}): await it for a client>"

    def __await__(self) -> Generator[Any, None, Client]:
        return self._connect().__await__()

    async def __aenter__(self) -> Client:
        self._client = await self._connect()
        return self._client

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._client is not None:
            await self._client.close()

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            if name.startswith("_"):
                raise AttributeError(name)
            raise _not_awaited(f"it has no {name!r}")

        def __enter__(self) -> NoReturn:
            raise _not_awaited("`with` must be `async with`")

        def __exit__(self, *error: object) -> None:
            """Never called: `__enter__` raises."""

    async def _connect(self) -> Client:
        client = Client(self._server, self._token, self._options)
        await client.open()
        return client


def _not_awaited(consequence: str) -> NotAwaited:
    return NotAwaited(
        f"connect(…) is no client, so {consequence}: use the client of "
        "`async with connect(…) as client` or `client = await connect(…)`"
    )
