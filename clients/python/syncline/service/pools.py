"""Pools of connections, which no other process and no other event loop uses.

A process that was forked shares the sockets of its parent: two processes on one connection would
read each other's replies. So a forked process leaves them alone and opens its own.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any, Protocol, Self, TypeVar
from weakref import WeakKeyDictionary, WeakSet

import httpx2

from syncline.errors import ClientClosed
from syncline.proxies import find_proxy
from syncline_protocol import __version__

from .login import Login
from .service_options import ServiceOptions

__all__ = ["AsyncPool", "Pool", "shared_pool"]

IDLE_LIMIT = 30
"""Seconds that an idle connection is kept: less than the server keeps it."""


SHARED_LIMIT = 16
"""Pools of unpickled handles that are kept, at most: one for each server and login."""


class _Forked(Protocol):
    def forget(self) -> None: ...


_all: WeakSet[_Forked] = WeakSet()

_inherited: list[object] = []
"""Clients of the parent process: kept, because their end would close or flush what it shares."""


def _forget_all() -> None:
    for pool in list(_all):
        pool.forget()


# Windows has no fork.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


class _Connections:
    """What the pools of both kinds share.

    Attributes:
        login: server and credentials.
        options: the service's options.
        has_answered: True once Syncline has answered a request.
    """

    def __init__(self, login: Login, options: ServiceOptions) -> None:
        self.login = login
        self.options = options
        self.has_answered = False
        self._closed = False
        self._lock = threading.Lock()
        _all.add(self)

    def __reduce__(self) -> tuple[Any, tuple[type[Self], Login, ServiceOptions]]:
        """Handles that are unpickled in one process share their connections."""
        return shared_pool, (type(self), self.login, self.options)

    def forget(self) -> None:
        """Leave all connections alone: they are those of the parent process."""
        self._lock = threading.Lock()  # another thread of the parent may have had it

    @property
    def is_closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def _check_open(self) -> None:
        if self._closed:
            raise ClientClosed

    def _client_options(self) -> dict[str, Any]:
        return {
            "base_url": self.login.url,
            "headers": {
                "Authorization": self.login.authorization,
                "User-Agent": f"syncline-python/{__version__}",
            },
        }

    def _transport_options(self) -> dict[str, Any]:
        proxy = find_proxy(self.options.proxy, self.login.url)
        limit = self.options.max_connections
        return {
            "verify": self.options.ssl or True,
            "limits": httpx2.Limits(
                max_connections=limit,
                max_keepalive_connections=limit,
                keepalive_expiry=IDLE_LIMIT,
            ),
            "proxy": None if proxy is None else httpx2.Proxy(proxy.url),
        }


class Pool(_Connections):
    """The connections of one process, for any number of threads."""

    def __init__(self, login: Login, options: ServiceOptions) -> None:
        super().__init__(login, options)
        self._client: httpx2.Client | None = None

    def client(self) -> httpx2.Client:
        """The HTTP client of this process. Raises `ClientClosed`."""
        client = self._client
        if client is None:
            with self._lock:
                self._check_open()
                if self._client is None:
                    # An explicit transport: otherwise httpx2 reads the proxies of the environment.
                    transport = httpx2.HTTPTransport(**self._transport_options())
                    self._client = httpx2.Client(transport=transport, **self._client_options())
                client = self._client
        return client

    def forget(self) -> None:
        super().forget()
        _inherited.append(self._client)
        self._client = None

    def close(self) -> None:
        """Close all connections; safe to repeat."""
        with self._lock:
            self._closed = True
            client, self._client = self._client, None
        if client is not None:
            client.close()


class AsyncPool(_Connections):
    """The connections of one process, by event loop."""

    def __init__(self, login: Login, options: ServiceOptions) -> None:
        super().__init__(login, options)
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, httpx2.AsyncClient]
        self._clients = WeakKeyDictionary()

    def client(self) -> httpx2.AsyncClient:
        """The HTTP client of the running event loop. Raises `ClientClosed`."""
        loop = asyncio.get_running_loop()
        client = self._clients.get(loop)
        if client is None:
            with self._lock:
                self._check_open()
                transport = httpx2.AsyncHTTPTransport(**self._transport_options())
                client = httpx2.AsyncClient(transport=transport, **self._client_options())
                self._clients[loop] = client
        return client

    def forget(self) -> None:
        super().forget()
        _inherited.append(self._clients)
        self._clients = WeakKeyDictionary()

    async def close(self) -> None:
        """Close the connections of the running event loop, and open no others; safe to repeat.

        Those of other loops can be closed there alone; a loop that has ended has none.
        """
        with self._lock:
            self._closed = True
            client = self._clients.pop(asyncio.get_running_loop(), None)
            self._clients.clear()
        if client is not None:
            await client.aclose()


P = TypeVar("P", bound=_Connections)

_shared: dict[tuple[type[_Connections], Login, ServiceOptions], _Connections] = {}


def shared_pool(kind: type[P], login: Login, options: ServiceOptions) -> P:
    """The pool of all handles of a login that are unpickled in this process.

    Without it, each task of a worker would open a connection of its own.
    """
    found = _shared.get((kind, login, options))
    if isinstance(found, kind) and not found.is_closed:
        return found
    if len(_shared) >= SHARED_LIMIT:
        del _shared[next(iter(_shared))]
    made = kind(login, options)
    _shared[kind, login, options] = made
    return made
