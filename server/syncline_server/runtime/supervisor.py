"""Several processes on one port: the parent, which serves nothing itself.

Each worker has a listening socket of its own on the shared port. The parent holds all of them open,
so that connections which wait for a worker that died are accepted by the one that takes its place.
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
from dataclasses import asdict, dataclass, field

import orjson

from syncline_server.config.child_environ import worker_environ
from syncline_server.config.credentials import Credentials
from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError
from syncline_server.observability.readiness import Readiness
from syncline_server.storage.redis.backoff import Backoff
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD

from . import heartbeat
from .listener import announce, listen
from .server import READY_CHECK_INTERVAL
from .tls import KeyPair, reread_key_pair

__all__ = ["ACCEPTING", "Orders", "Workers"]

logger = logging.getLogger("syncline.workers")

ACCEPTING = b"accepting\n"
"""What a worker writes to stdout once it accepts connections; then come its heartbeats."""

START_TIMEOUT = 30.0
"""Seconds until a new worker must accept connections; then it is killed and another is tried."""

NOTICE_AFTER = 2.0
"""Seconds that workers may lack something at the start before the log says what."""

REDIS_CHECK_INTERVAL = 0.1
"""Seconds between looks whether the embedded Redis lives."""


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is to do, on stdin: neither its arguments nor its environment hold secrets
    (`worker_environ`).

    Attributes:
        number: of this worker, from 0; the one in its place has the same.
        listeners: the numbers of the file descriptors to accept connections on.
        run_dir: where the workers have sockets for each other.
        redis_path: the socket of the parent's Redis; None where the settings have a URL.
        key_pair: for TLS, as the parent last read it; what the files hold now may be of no use.
        restarts: how often a worker of that number was replaced, by the reason.
    """

    settings: Settings
    credentials: Credentials
    number: int
    listeners: list[int]
    run_dir: str
    redis_path: str | None
    key_pair: KeyPair | None = None
    restarts: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        """One line of JSON."""
        return orjson.dumps(asdict(self), default=str) + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Orders:
        """What `encode` made."""
        orders = orjson.loads(line)
        return cls(
            Settings.of(orders["settings"]),
            Credentials(**orders["credentials"]),
            orders["number"],
            orders["listeners"],
            orders["run_dir"],
            orders["redis_path"],
            None if orders["key_pair"] is None else KeyPair(**orders["key_pair"]),
            orders["restarts"],
        )


class Workers:
    """Keeps as many workers running as the settings say."""

    def __init__(
        self,
        settings: Settings,
        credentials: Credentials,
        embedded: EmbeddedRedis | None,
        key_pair: KeyPair | None,
        run_dir: str,
    ) -> None:
        """
        Args:
            embedded: the Redis that all share; None where the settings have a URL.
            key_pair: for TLS; None where there is none.
            run_dir: where the workers may have sockets, which nobody else gets at.
        """
        self._settings = settings
        self._credentials = credentials
        self._embedded = embedded
        self._key_pair = key_pair
        self._run_dir = run_dir
        self._readiness = Readiness()
        self._stopping = asyncio.Event()
        self._interrupted = False
        # Beyond what a worker allows itself, because it is ended for good then.
        self.patience = settings.drain_timeout + 5.0
        self.hang_timeout = settings.worker_timeout

    async def run(self) -> None:
        """Serve until SIGTERM, or SIGINT, which then raises `KeyboardInterrupt`.

        SIGHUP puts new workers in the place of the old, one after the other; nothing happens if
        the certificate to be used from then on cannot be.

        Raises:
            SettingError: the address cannot be listened on.
        """
        slots = [_Slot(self, *numbered) for numbered in enumerate(self._listen())]
        self._handle_signals(slots)
        try:
            async with asyncio.TaskGroup() as tasks:
                for slot in slots:
                    tasks.create_task(slot.keep())
                tasks.create_task(self._guard_redis())
                tasks.create_task(self._announce(slots))
                await self._stopping.wait()
                raise _Stopped
        except* _Stopped:
            logger.info("shutting down")
        finally:
            await asyncio.gather(*(slot.stop() for slot in slots))
            for slot in slots:
                slot.close()
        if self._interrupted:
            raise KeyboardInterrupt

    async def orders(self, slot: _Slot) -> bytes:
        """What a new worker of a slot is to do."""
        embedded = self._embedded
        path = None if embedded is None else (await embedded.address(SHARD)).path
        orders = Orders(
            self._settings,
            self._credentials,
            slot.number,
            slot.listeners,
            self._run_dir,
            path,
            self._key_pair,
            dict(slot.restarts),
        )
        return orders.encode()

    async def _announce(self, slots: list[_Slot]) -> None:
        """Once every worker has all it needs; until then, say what they wait for."""
        began = asyncio.get_running_loop().time()
        while waiting := [slot for slot in slots if not slot.is_ready]:
            problems = waiting[0].problems
            if problems and asyncio.get_running_loop().time() - began > NOTICE_AFTER:
                said = "; ".join(problems.values())
                self._readiness.report("workers", f"worker {waiting[0].number} waits: {said}")
            await asyncio.sleep(READY_CHECK_INTERVAL)
        self._readiness.report("workers", None)
        announce(self._settings, slots[0].first)

    def _listen(self) -> list[list[socket.socket]]:
        first = listen(self._settings, shared=True)
        port = first[0].getsockname()[1]
        further = range(self._settings.workers - 1)
        return [first, *(listen(self._settings, shared=True, port=port) for _ in further)]

    def _handle_signals(self, slots: list[_Slot]) -> None:
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stop, False)
        loop.add_signal_handler(signal.SIGINT, self._stop, True)
        loop.add_signal_handler(signal.SIGHUP, self._renew, _Rolling(slots))

    def _renew(self, rolling: _Rolling) -> None:
        if self._key_pair is not None:
            key_pair = reread_key_pair(self._settings)
            if key_pair is None:
                return
            self._key_pair = key_pair
        rolling.begin()

    def _stop(self, interrupted: bool) -> None:
        self._interrupted = interrupted
        self._stopping.set()

    async def _guard_redis(self) -> None:
        """Workers only connect to the embedded Redis; its parent starts it again."""
        backoff = Backoff()
        while self._embedded is not None:
            try:
                await self._embedded.address(SHARD)
            except (OSError, SettingError) as error:
                self._readiness.report("redis", str(error))
                await asyncio.sleep(backoff.pause())
            else:
                self._readiness.report("redis", None)
                backoff = Backoff()
            await asyncio.sleep(REDIS_CHECK_INTERVAL)


class _Stopped(Exception):
    """Ends the tasks that keep workers running."""


class _Rolling:
    """New workers for old, without a moment in which nobody accepts."""

    def __init__(self, slots: list[_Slot]) -> None:
        self._slots = slots
        self._task: asyncio.Task[None] | None = None
        self._wanted = False

    def begin(self) -> None:
        """Renew all; while that is under way, all once more after it."""
        self._wanted = True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._renew_all())

    async def _renew_all(self) -> None:
        while self._wanted:
            self._wanted = False
            for slot in self._slots:
                await slot.renew()


class _Slot:
    """The listening sockets of one worker, and the worker that accepts from them.

    Attributes:
        number: of the worker, from 0.
        problems: what the worker lacks, as its last heartbeat said; None before there was one.
        restarts: how often a worker here was replaced: because it `hung`, or had `ended`.
    """

    def __init__(self, workers: Workers, number: int, sockets: list[socket.socket]) -> None:
        self.number = number
        self.problems: dict[str, str] | None = None
        self.restarts = Counter[str]()
        self._sockets = sockets
        self._workers = workers
        self._process: Process | None = None
        self._retiring: set[asyncio.Task[None]] = set()

    @property
    def is_ready(self) -> bool:
        """True while the worker lacks nothing."""
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

    async def keep(self) -> None:
        """Start a worker, and another whenever it ends or hangs."""
        clock = asyncio.get_running_loop().time
        backoff = Backoff()
        while True:
            began = clock()
            process = self._process = await self._start()
            while process is not None:
                await self._watch(process)
                if process is self._process:
                    status = await process.wait()
                    logger.warning("worker %d ended with status %d", process.pid, status)
                    break
                process = self._process  # renewed meanwhile
            self.problems = None
            await asyncio.sleep(backoff.pause(after=clock() - began))

    async def _watch(self, process: Process) -> None:
        """Return when a worker has ended, was renewed, or hangs: then it is killed first.

        Silence is counted in rounds of this loop, not by the clock: a machine that was suspended,
        or so busy that this process did not run either, has had one round and kills nobody.
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
                # Its end of the pipe is closed: it has ended, or is about to.
                await process.wait()
                if process is self._process:
                    self.restarts["ended"] += 1
                return
            silent, self.problems = 0.0, heartbeat.decode(line)

    async def renew(self) -> None:
        """Put a new worker in the place of this one, which then takes its leave."""
        old, new = self._process, await self._start()
        if new is None:
            logger.error("the new worker did not start; the old one stays")
        elif old is not None:
            self._process = new
            task = asyncio.create_task(_retire(old, self._workers.patience))
            self._retiring.add(task)
            task.add_done_callback(self._retiring.discard)

    async def stop(self) -> None:
        """End the worker, in order if it can."""
        if self._process is not None:
            await _retire(self._process, self._workers.patience)
        if self._retiring:
            await asyncio.wait(self._retiring)

    async def _start(self) -> Process | None:
        """A worker that accepts connections; None if it does not come so far."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "syncline_server.runtime.worker",
            stdin=PIPE,
            stdout=PIPE,
            pass_fds=self.listeners,
            env=worker_environ(),
            # Ctrl-C in a terminal reaches the parent only, which then ends its workers in order.
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(await self._workers.orders(self))
        try:
            async with asyncio.timeout(START_TIMEOUT):
                said = await process.stdout.readline()
        except TimeoutError:
            said = b""
        if said != ACCEPTING:
            await _retire(process, 0)
            return None
        return process


async def _retire(process: Process, patience: float) -> None:
    """End a worker: it gets so many seconds to take its leave."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(patience):
                await process.wait()
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
