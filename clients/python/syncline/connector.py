"""`connect`: what an application chooses, and its first connection."""

from __future__ import annotations

from collections.abc import Generator
from ssl import SSLContext
from types import TracebackType
from typing import Any

from .client import Client
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

    The first connection is tried for `open_timeout` seconds; later ones again and again, with
    random, growing pauses, until the client is closed. Only the server's own word ends a client
    (a refused token, a final close code), or the application's: what gateways, proxies and captive
    portals answer counts as weather.
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
            url: base URL of the server: `http(s)://` or `ws(s)://`, without credentials; it may
                have a path.
            token: an access token, or a function, sync or async, that returns a fresh one: it is
                asked on each connect and when the server says that the token is about to expire.
                A function that raises, or returns no JWT, is asked again, with growing pauses; one
                that raises `TokenDenied` ends the client. It runs in the event loop: a sync one
                must not block.
            transport: `websocket`; `rest`, for REST and server-sent events; or `auto`, which takes
                REST where WebSockets are blocked.
            open_timeout: for the first connection, all attempts included, in seconds. One attempt
                takes 10 s at most.
            request_timeout: for one request, waiting for a connection included, in seconds.
            mutate_timeout: after which `mutate` tries no more, in seconds.
            backoff_initial: the longest first pause before connecting again, in seconds.
            backoff_limit: the longest pause, in seconds.
            websocket_retry: in the fallback, the longest time between attempts at a WebSocket, in
                seconds.
            event_queue: events that may wait for one listener; beyond, the newest are joined to
                one.
            ssl: how a server with TLS is checked, for one whose certificate no public authority
                vouches for: `ssl.create_default_context(cafile=…)`; None checks it as usual.
            deltas: let the server tell what has changed in a document, where that is shorter than
                the document; False saves the time to put the two together.
            token_timeout: for one call of the token function, in seconds.
            probe_after: a connection is pinged when a request has waited so long, in seconds, and
                nothing at all has come from the server.
            probe_timeout: for a sign of life after that, in seconds; then the connection counts as
                half-open and is given up, and its requests go by the next one.
            proxy: the URL of a proxy, `http`, `https`, `socks5` or `socks5h` (SOCKS needs the extra
                `syncline[socks]`); True takes that of the environment (`HTTPS_PROXY`, `HTTP_PROXY`,
                `ALL_PROXY`, not for `NO_PROXY`); None takes none.

        Raises (when awaited or entered):
            ConnectionLost: the server cannot be reached; the text tells what was seen last.
            Unauthorized: it refuses the token.
            TokenUnavailable, TokenDenied: the token function gives none.
            UsageError: the proxy needs a package that is not installed.
            ValueError: `url` cannot be a server's, or an option is out of range; raised at once.
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

    async def _connect(self) -> Client:
        client = Client(self._server, self._token, self._options)
        await client.open()
        return client
