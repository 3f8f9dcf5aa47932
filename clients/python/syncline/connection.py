"""Connection of a client: one transport at a time, with reconnects and back-off."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import nullcontext, suppress
from typing import Any, TypeVar

from syncline_protocol.backoff import Backoff
from syncline_protocol.errors import Code
from syncline_protocol.objects import DOCUMENT, TYPES

from .attempts import Attempts
from .dialer import AnyTransport, Dialer
from .errors import (
    ClientClosed,
    ConnectionLost,
    RequestError,
    RequestTimeout,
    SynclineError,
    TokenExpired,
    TokenUnavailable,
    Unavailable,
    UsageError,
)
from .events import ConnectionState
from .options import Options, Server
from .pause import Pause
from .refusals import retry_pause
from .request_members import check_members
from .timing import within
from .token import TokenSource
from .transport import ClientEventHandler, Interrupted, Limits, Receive
from .websocket import WebSocketTransport

__all__ = ["Connection"]

logger = logging.getLogger("syncline")

T = TypeVar("T")

OUTSTANDING_LIMIT = 10_000
"""Maximum number of requests without a reply; further ones are refused (rule C22)."""

_NAMED_BY_NULL = {each.name for each in TYPES} - {DOCUMENT.name}
"""Members whose null opens a new object without a name; no member at all opens a document."""

StateHandler = Callable[[ConnectionState, Exception | None], None]


class Connection:
    """The client's connection; reconnects after each break.

    A request waits for a transport, and is sent again if the transport ends before the reply (rule
    C7). The caller gives every write an `op`.
    """

    def __init__(
        self,
        server: Server,
        token: TokenSource,
        options: Options,
        *,
        on_event: ClientEventHandler,
        on_state: StateHandler,
    ) -> None:
        """
        Args:
            on_event: called with each event of the server, in order.
            on_state: called with each new state, and the error that led to it, else None.
        """
        self._server = server
        self._token = token
        self._options = options
        self._on_state = on_state
        self._dialer = Dialer(server, token, options, on_event)
        self._backoff = Backoff(options.backoff_initial, options.backoff_limit)
        self._transport: AnyTransport | None = None
        self._available = asyncio.Event()
        self._pause = Pause()
        self._outstanding = 0
        self._failure: Exception | None = None  # set once: no connection will be made any more
        self._last_error: Exception | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def transport_name(self) -> str | None:
        """`websocket` or `rest`; None while there is no connection."""
        transport = self._transport
        return None if transport is None or transport.ended.done() else transport.name

    @property
    def limits(self) -> Limits:
        """Maximum sizes of data."""
        return self._transport.limits if self._transport else Limits()

    async def open(self) -> None:
        """Open the first connection, within `open_timeout`, and keep the client connected."""
        self._loop = asyncio.get_running_loop()
        self._on_state(ConnectionState.CONNECTING, None)
        try:
            self._install(await self._dial_first())
        except BaseException as error:
            self._finish(error if isinstance(error, SynclineError) else ClientClosed())
            await self._dialer.close()
            raise
        self._spawn(self._keep_open())

    async def request(
        self, do: str, receive: Receive[T], *, late: Receive[None] | None = None, **members: Any
    ) -> T:
        """Wait for a connection, send a request and return its reply.

        Members that are None are not sent, unless they stand for a new object without a name.
        `late` is called instead of `receive` with a reply that comes after the caller was cancelled
        or timed out.

        Raises:
            RequestError: the server refused the request; `open`, if it had no room all the time.
            Unavailable: too many requests wait for their replies.
            RequestTimeout: no reply in time, including the wait for a connection; or the
                connection broke and came back too late to send the request again.
            InvalidRequest: a member cannot be sent.
            UsageError: the client belongs to another event loop.
            SynclineError: the client is closed or permanently disconnected.
        """
        self.check_loop()
        if self._outstanding >= OUTSTANDING_LIMIT:
            raise Unavailable.local(
                Code.TOO_MANY_REQUESTS,
                f"{self._outstanding} requests wait for their replies already.",
            )
        given = {
            name: value
            for name, value in members.items()
            if value is not None or name in _NAMED_BY_NULL
        }
        check_members(given)
        request = {"do": do, **given}
        seconds = self._options.request_timeout
        options = self._options
        backoff = Backoff(options.backoff_initial, options.backoff_limit)
        attempts = Attempts(request, backoff)
        self._outstanding += 1
        try:
            # Only requests of the application shorten pauses (rule C10).
            with self._pause.hurry() if "op" in request else nullcontext():
                async with within(seconds):
                    while True:
                        transport = await self._ready()
                        attempts.begin()
                        try:
                            return await transport.request(request, receive, late)
                        except Interrupted:
                            continue
                        except RequestError as error:
                            if not attempts.may_wait(error):
                                raise
                            await attempts.wait_after(error)
        except TimeoutError:
            if attempts.refusal is not None:
                raise attempts.refusal from None
            raise RequestTimeout(do, seconds, self._why_not()) from None
        finally:
            self._outstanding -= 1

    def check_loop(self) -> None:
        """Check that the caller runs in the client's event loop.

        Raises:
            UsageError: the caller runs in another event loop, or in a thread without one.
        """
        try:
            running: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if self._loop is not None and running is not self._loop:
            raise UsageError(
                "this client belongs to the event loop in which it was connected; from another "
                "thread use asyncio.run_coroutine_threadsafe, in another loop connect again"
            )

    def renew_token(self) -> None:
        """Send a fresh token if the token is a function; a string is used until it expires."""
        if isinstance(self._transport, WebSocketTransport) and self._token.renewable:
            self._spawn(self._renew(self._transport))

    async def close(self) -> None:
        """Close the connection permanently."""
        self.check_loop()
        if self._closing is None:
            if self._token.is_calling:
                self._token.let_call_finish()
            # `_finish` clears `_transport`: remember it first.
            tasks, transport = list(self._tasks), self._transport
            self._finish(ClientClosed())
            for task in tasks:
                task.cancel()
            # A separate task: if the caller of `close` is cancelled, the shutdown still completes.
            self._closing = asyncio.create_task(self._shut(tasks, transport))
        if not self._token.is_calling:
            await asyncio.shield(self._closing)
        # The token function itself must not await `_closing`, which waits for the tasks: one of
        # them waits for the token function.

    async def _shut(self, tasks: list[asyncio.Task[None]], transport: AnyTransport | None) -> None:
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._dialer.close()
        if transport is not None:
            await transport.close()

    async def _ready(self) -> AnyTransport:
        while True:
            await self._available.wait()
            if self._failure is not None:
                raise self._failure
            if self._transport is not None and not self._transport.ended.done():
                return self._transport
            # The transport has ended, but `_keep_open` has not replaced it yet. There is no await
            # between the check and `clear`, so no `_install` is missed.
            self._available.clear()

    def _why_not(self) -> str | None:
        """Why a request has no reply yet, for its timeout error; None if not known."""
        if self._transport is not None and not self._transport.ended.done():
            return self._transport.waits_for
        return None if self._last_error is None else f"no connection: {self._last_error}"

    async def _dial_first(self) -> AnyTransport:
        seconds = self._options.open_timeout
        level = logging.WARNING  # only the first failure, for a user at a terminal
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while True:
                    try:
                        return await self._dial()
                    except SynclineError as error:
                        if self._is_final(error):
                            raise
                        reason = error
                        logger.log(level, "no connection yet, still trying: %s", error)
                    level = logging.INFO
                    with self._pause.hurry():
                        await self._pause_after(reason, seconds)
        if self._last_error is not None:
            raise self._last_error
        raise ConnectionLost(
            f"no connection to {self._server.http_url} within {seconds:g} s: {self._dialer.doing}"
        )

    async def _keep_open(self) -> None:
        clock = asyncio.get_running_loop().time
        while (transport := self._transport) is not None:
            since = clock()
            reason = await self._stand(transport)
            await transport.close()
            if reason is not None:
                self._backoff.reset_if_stable(clock() - since)
                await self._dial_again(reason)

    async def _stand(self, transport: AnyTransport) -> SynclineError | None:
        """Wait until `transport` ends and return the reason; None if a WebSocket replaced it."""
        if isinstance(transport, WebSocketTransport) or self._options.transport == "rest":
            return await asyncio.shield(transport.ended)
        # REST as a fallback: look for a WebSocket while REST carries the requests.
        search = asyncio.create_task(self._dialer.find_websocket())
        try:
            ends: set[asyncio.Future[Any]] = {transport.ended, search}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            search.cancel()
        # Both can be done at once: a WebSocket that was found is used even if REST has just ended.
        found = self._dialer.take_websocket()
        if found is None:
            return await asyncio.shield(transport.ended)
        self._install(found)
        return None

    async def _dial_again(self, reason: SynclineError) -> None:
        """Back off and dial until a transport is open or `reason` is final."""
        # A half-open connection took seconds to detect: redial once without a pause.
        at_once = isinstance(reason, ConnectionLost) and reason.at_once
        while not self._is_final(reason):
            self._last_error = reason
            self._on_state(ConnectionState.WAITING, reason)
            if not at_once:
                await self._pause_after(reason, self._options.request_timeout)
            at_once = False
            self._on_state(ConnectionState.CONNECTING, None)
            try:
                return self._install(await self._dial())
            except SynclineError as error:
                logger.info("the connection could not be made: %s", error)
                reason = error
        self._finish(reason)

    async def _dial(self) -> AnyTransport:
        try:
            return await self._dialer.dial()
        except SynclineError as error:
            self._last_error = error
            raise
        except Exception as error:
            # An unexpected exception must not end the client (rule C2): report a lost connection.
            logger.exception("the connection could not be made")
            self._last_error = ConnectionLost(f"the connection could not be made: {error!r}")
            raise self._last_error from error

    async def _pause_after(self, reason: SynclineError, timeout: float) -> None:
        asked = retry_pause(reason.retry_after)
        await self._pause.take(asked, self._backoff.pause(), timeout)

    def _is_final(self, reason: SynclineError) -> bool:
        if isinstance(reason, TokenExpired):
            return not self._token.renewable
        # A defect of the server (5xx) says nothing about the token (rule C3).
        is_defect = isinstance(reason, RequestError) and reason.status >= 500
        return not (reason.retry or is_defect)

    async def _renew(self, transport: WebSocketTransport) -> None:
        backoff = Backoff(self._options.backoff_initial, self._options.backoff_limit)
        while not transport.ended.done():
            try:
                return await transport.authenticate(await self._token.get())
            except Interrupted:
                return  # the next connection gets a fresh token anyway
            except SynclineError as error:
                logger.warning("the access token could not be renewed: %s", error)
                if not (isinstance(error, TokenUnavailable) and error.retry):
                    return  # keep the old token until it expires (rule C17)
            await asyncio.sleep(backoff.pause())

    def _install(self, transport: AnyTransport) -> None:
        self._transport = transport
        self._available.set()
        self._on_state(ConnectionState.CONNECTED, None)

    def _finish(self, failure: Exception) -> None:
        """End permanently; requests that wait for a connection raise `failure`."""
        if self._failure is None:
            # Set before `_available` wakes the requests, which check it first.
            self._failure = failure
            self._transport = None
            self._available.set()
            self._on_state(ConnectionState.CLOSED, failure)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
