"""Supervisor of worker processes that share one port; it serves nothing itself.

Each worker has its own listening sockets on the shared port. The parent keeps them all open, so
that connections in the accept queue of a dead worker are accepted by its replacement.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from contextlib import suppress

from syncline_protocol.backoff import Backoff
from syncline_server.config.child_environ import worker_environ
from syncline_server.config.credentials import Credentials
from syncline_server.config.running_server import RunningUrl
from syncline_server.config.server_identity import ServerIdentity
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.observability.readiness import Readiness
from syncline_server.observability.tasks import TaskSet
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD
from syncline_server.storage.redis.shard import PAUSE, PAUSE_LIMIT

from . import heartbeat
from .listener import READY_CHECK_INTERVAL, announce, listen
from .orders import ACCEPTING, Orders
from .tls import KeyPair, reread_key_pair

__all__ = ["Workers"]

logger = logging.getLogger("syncline.workers")

START_TIMEOUT = 30.0
"""Seconds for a new worker to accept connections; then it is killed, and another is started."""

NOTICE_AFTER = 2.0
"""Seconds at the start after which the log says what a worker that is not ready lacks."""

REDIS_CHECK_INTERVAL = 0.1
"""Seconds between checks that the embedded Redis runs."""


class Workers:
    """Keeps `settings.workers` workers running."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        *,
        embedded: EmbeddedRedis | None,
        key_pair: KeyPair | None,
        run_dir: str,
    ) -> None:
        """
        Args:
            embedded: the Redis that all workers share; None if the settings have a URL.
            key_pair: for TLS; None without TLS.
            run_dir: directory for the workers' sockets, accessible only to this user.
        """
        self._settings = settings
        self._credentials = credentials
        self._embedded = embedded
        self._key_pair = key_pair
        self._run_dir = run_dir
        self._identity = ServerIdentity.of(settings)
        self._readiness = Readiness()
        self._running = RunningUrl(settings.data_dir)
        self._stopping = asyncio.Event()
        self._interrupted = False
        self._rolling: _Rolling | None = None
        # Seconds until a retiring worker is killed: more than the worker allows its own drain.
        self.stop_timeout = settings.drain_timeout + 5.0
        self.hang_timeout = settings.worker_timeout

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT; after SIGINT raises `KeyboardInterrupt`.

        SIGHUP replaces the workers, one after the other, and reads the certificate again. If the
        new certificate is unusable, SIGHUP does nothing.

        Raises:
            SettingError: the server cannot listen on the address.
        """
        slots = [_Slot(self, *numbered) for numbered in enumerate(self._listen())]
        self._identity = ServerIdentity.of(self._settings, slots[0].first)
        self._handle_signals(slots)
        try:
            async with asyncio.TaskGroup() as tasks:
                for slot in slots:
                    tasks.create_task(slot.run())
                tasks.create_task(self._guard_redis())
                tasks.create_task(self._announce(slots))
                await self._stopping.wait()
                raise _Stopped
        except* _Stopped:
            logger.info("shutting down")
        finally:
            self._running.remove()
            # First: it would start workers, and put them in the place of those that are stopped.
            if self._rolling is not None:
                await self._rolling.stop()
            await asyncio.gather(*(slot.stop() for slot in slots))
            for slot in slots:
                slot.close()
        if self._interrupted:
            raise KeyboardInterrupt

    async def orders(self, slot: _Slot) -> bytes:
        """The encoded `Orders` of a new worker of a slot."""
        embedded = self._embedded
        path = None if embedded is None else (await embedded.address(SHARD)).path
        orders = Orders(
            settings=self._settings,
            credentials=self._credentials,
            number=slot.number,
            listeners=slot.listeners,
            run_dir=self._run_dir,
            server=self._identity,
            redis_path=path,
            key_pair=self._key_pair,
            restarts=dict(slot.restarts),
        )
        return orders.encode()

    async def _announce(self, slots: list[_Slot]) -> None:
        """Announce the server once every worker is ready; until then log what they lack."""
        began = asyncio.get_running_loop().time()
        while waiting := [slot for slot in slots if not slot.is_ready]:
            problems = waiting[0].problems
            if problems and asyncio.get_running_loop().time() - began > NOTICE_AFTER:
                said = "; ".join(problems.values())
                self._readiness.report("workers", f"worker {waiting[0].number} waits: {said}")
            await asyncio.sleep(READY_CHECK_INTERVAL)
        self._readiness.report("workers", None)
        announce(self._settings, self._credentials, slots[0].first, self._running)

    def _listen(self) -> list[list[socket.socket]]:
        first = listen(self._settings, shared=True)
        port = first[0].getsockname()[1]
        further = range(self._settings.workers - 1)
        return [first, *(listen(self._settings, shared=True, port=port) for _ in further)]

    def _handle_signals(self, slots: list[_Slot]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, False)
        loop.add_signal_handler(signal.SIGINT, self._stop, True)
        self._rolling = _Rolling(slots)
        loop.add_signal_handler(signal.SIGHUP, self._renew, self._rolling)

    def _renew(self, rolling: _Rolling) -> None:
        if self._key_pair is not None:
            key_pair = reread_key_pair(self._settings)
            if key_pair is None:
                return
            self._key_pair = key_pair
        rolling.start()

    def _stop(self, interrupted: bool) -> None:
        self._interrupted = interrupted
        self._stopping.set()

    async def _guard_redis(self) -> None:
        """Restart the embedded Redis when it ends: workers only connect to it."""
        backoff = Backoff(PAUSE, PAUSE_LIMIT)
        while self._embedded is not None:
            try:
                await self._embedded.address(SHARD)
            except (OSError, SettingError) as error:
                self._readiness.report("redis", str(error))
                await asyncio.sleep(backoff.pause())
            else:
                self._readiness.report("redis", None)
                backoff = Backoff(PAUSE, PAUSE_LIMIT)
            await asyncio.sleep(REDIS_CHECK_INTERVAL)


class _Stopped(Exception):
    """Raised in `Workers.run` to cancel its tasks at shutdown."""


class _Rolling:
    """Rolling restart: each old worker stops only after its replacement accepts connections."""

    def __init__(self, slots: list[_Slot]) -> None:
        self._slots = slots
        self._task: asyncio.Task[None] | None = None
        self._wanted = self._is_stopped = False

    def start(self) -> None:
        """Replace all workers. During a rolling restart, start another one after it: workers that
        were already replaced do not have the newest certificate."""
        if self._is_stopped:
            return
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew_all())

    async def stop(self) -> None:
        """End the rolling restart, and begin no other one."""
        self._is_stopped = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _renew_all(self) -> None:
        while self._wanted:
            self._wanted = False
            for slot in self._slots:
                await slot.renew()


class _Slot:
    """The listening sockets of one worker, and the worker that accepts from them.

    Attributes:
        number: number of the worker, from 0.
        problems: what the worker lacks, from its last heartbeat; None before the first one.
        restarts: how often a worker of this slot was replaced because it `hung` or had `ended`.
    """

    def __init__(self, workers: Workers, number: int, sockets: list[socket.socket]) -> None:
        self.number = number
        self.problems: dict[str, str] | None = None
        self.restarts = Counter[str]()
        self._sockets = sockets
        self._workers = workers
        self._process: Process | None = None
        self._retiring = TaskSet()

    @property
    def is_ready(self) -> bool:
        """True if the last heartbeat reported no problems."""
        return self.problems == {}

    @property
    def first(self) -> socket.socket:
        """One of the listening sockets."""
        return self._sockets[0]

    @property
    def listeners(self) -> list[int]:
        """The file descriptors of the listening sockets."""
        return [each.fileno() for each in self._sockets]

    def close(self) -> None:
        """Close the listening sockets."""
        for each in self._sockets:
            each.close()

    async def run(self) -> None:
        """Keep one worker running: start another whenever it ends or hangs."""
        clock = asyncio.get_running_loop().time
        backoff = Backoff(PAUSE, PAUSE_LIMIT, stable_after=PAUSE_LIMIT)
        while True:
            began = clock()
            process = self._process = await self._start()
            while process is not None:
                await self._wait_until_gone(process)
                if process is self._process:
                    status = await process.wait()
                    logger.warning("worker %d ended with status %d", process.pid, status)
                if process is self._process:
                    self._process = None  # so that `renew` leaves the slot to the next start
                    break
                process = self._process  # `renew` put another worker here meanwhile
            self.problems = None
            backoff.reset_if_stable(clock() - began)
            await asyncio.sleep(backoff.pause())

    async def _wait_until_gone(self, process: Process) -> None:
        """Return when a worker has ended, was replaced, or hangs. A worker that hangs is killed.

        Silence is counted in rounds of this loop, not by the clock: after a suspend of the machine,
        or a time in which this process did not run either, only one round has passed.

        `renew` may replace the worker during each await here, so each branch checks that `process`
        is still the current one.
        """
        assert process.stdout is not None
        silent = 0.0
        while process is self._process:
            try:
                async with asyncio.timeout(heartbeat.INTERVAL):
                    line = await process.stdout.readline()
            except TimeoutError:
                silent += heartbeat.INTERVAL
                if silent >= self._workers.hang_timeout and process is self._process:
                    logger.error(
                        "worker %d has not answered for %g s: it is killed and replaced",
                        process.pid,
                        silent,
                    )
                    self.restarts["hung"] += 1
                    with suppress(ProcessLookupError):
                        process.kill()
                    return
                continue
            if not line:
                # The worker closed its end of the pipe: it has ended, or is about to.
                await process.wait()
                if process is self._process:
                    self.restarts["ended"] += 1
                return
            silent, self.problems = 0.0, heartbeat.decode(line)

    async def renew(self) -> None:
        """Start a new worker; once it accepts connections, drain and end the old one."""
        new = await self._start()
        if new is None:
            logger.error("the new worker did not start; the old one keeps running")
            return
        # Read only now: the old worker may have died during the start. If `run` is starting
        # another one, that one is as new, and nothing would watch ours.
        old = self._process
        if old is None:
            old = new
        else:
            self._process = new
        self._retiring.spawn(_retire(old, self._workers.stop_timeout))

    async def stop(self) -> None:
        """End the worker, and wait for workers that are still draining."""
        if self._process is not None:
            await _retire(self._process, self._workers.stop_timeout)
        await self._retiring.wait()

    async def _start(self) -> Process | None:
        """Start a worker; returns it once it accepts connections, None if it does not."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "syncline_server.runtime.worker",
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=self.listeners,
            env=worker_environ(),
            # Ctrl-C in a terminal then reaches only the parent, which drains its workers.
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(await self._workers.orders(self))
            async with asyncio.timeout(START_TIMEOUT):
                said = await process.stdout.readline()
        except TimeoutError:
            said = b""
        except BaseException:
            # Cancelled at shutdown: nobody else knows of this process, and it would live on.
            await _retire(process, 0)
            raise
        if said != ACCEPTING:
            await _retire(process, 0)
            return None
        return process


async def _retire(process: Process, stop_timeout: float) -> None:
    """End a worker: SIGTERM, and SIGKILL if it has not ended after `stop_timeout` seconds."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(stop_timeout):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
