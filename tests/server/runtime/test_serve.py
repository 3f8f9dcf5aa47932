"""A server process: its Redis, its signals, and what it leaves behind."""

from __future__ import annotations

import asyncio
import select
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2
import psutil
import pytest

from support.api import DocumentsApi, unique
from support.server import RunningServer, StartServer, refused_start
from support.socket import WAIT, NativeSocket, native_socket
from support.store import Store, eventually
from support.stream import event_stream
from syncline_server.storage.redis.connection import Connection


def redis_of(server: RunningServer) -> psutil.Process:
    """The server's own Redis."""
    [child] = psutil.Process(server.process.pid).children()
    return child


@pytest.mark.usefixtures("installed_command")
class TestEnd:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
    def test_redis_ends_with_the_server_and_documents_stay(
        self, fresh_server: StartServer, number: signal.Signals
    ) -> None:
        server = fresh_server()
        redis = redis_of(server)
        with DocumentsApi(server) as api:
            document = api.create(UniqueName="kept", Data='{"a":1}')
        server.process.send_signal(number)
        server.stop()
        redis.wait(timeout=20)
        server.restart()

        with DocumentsApi(server) as api:
            assert api.fetch("kept") == document

    def test_sigterm_is_an_orderly_end(self, fresh_server: StartServer) -> None:
        server = fresh_server()

        assert server.stop() == 0
        log = server.log.read_text()
        assert "Traceback" not in log and "ERROR" not in log

    def test_nothing_is_left_of_a_data_directory_too_deep_for_a_socket(
        self, fresh_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        # Not below `tmp_path`, which may itself be too deep.
        with TemporaryDirectory(prefix="syncline") as name:
            temporary = Path(name)
            monkeypatch.setenv("TMPDIR", name)
            server = fresh_server(data_dir=tmp_path / ("d" * 120))
            assert list(temporary.iterdir())
            server.stop()

            assert list(temporary.iterdir()) == []


class SharedRedis:
    """A Redis that its server keeps; where that is stopped, it stays away once it is killed.

    Attributes:
        owner: the server, which serves too.
        option: makes another server use it.
    """

    def __init__(self, owner: RunningServer) -> None:
        self.owner = owner
        self.option = f"--redis-url=unix://{owner.data_dir / 'redis' / 'redis.sock'}"

    @asynccontextmanager
    async def away(self) -> AsyncIterator[None]:
        """There is none meanwhile."""
        redis = redis_of(self.owner)
        self.owner.process.send_signal(signal.SIGSTOP)
        try:
            redis.kill()
            await eventually(lambda: redis.status() == psutil.STATUS_ZOMBIE)
            yield
        finally:
            self.owner.process.send_signal(signal.SIGCONT)


@pytest.fixture
def shared_redis(fresh_server: StartServer) -> SharedRedis:
    return SharedRedis(fresh_server())


class TestExternalRedis:
    async def test_two_servers_share_one(
        self, fresh_server: StartServer, shared_redis: SharedRedis
    ) -> None:
        other = fresh_server(shared_redis.option, environ=shared_redis.owner.account_environ)
        async with native_socket(other) as reader, native_socket(shared_redis.owner) as writer:
            await reader.ok("open", document=(name := unique()))
            await writer.ok("set", document=name, data={"n": 1})
            event = await reader.event()

        assert event["document"]["data"] == {"n": 1}

    async def test_a_server_starts_without_it_and_waits(
        self, shared_redis: SharedRedis, tmp_path: Path
    ) -> None:
        async with AsyncExitStack() as stack:
            async with shared_redis.away():
                server = RunningServer.waiting(
                    tmp_path / "waiting",
                    shared_redis.option,
                    environ=shared_redis.owner.account_environ,
                )
                stack.callback(server.stop)
                await until_accepting(server)
                socket = await stack.enter_async_context(native_socket(server, auth=False))
                error = await socket.error("auth", token=server.token())
                assert (error["status"], error["code"], error["retry"]) == (503, 20503, True)
            assert (await retry(socket, "auth", token=server.token()))["identity"] == "alice"
            await asyncio.to_thread(server.await_ready)

    @pytest.mark.parametrize("workers", [1, 2])
    async def test_it_is_not_ready_before_redis_answers_and_says_what_it_waits_for(
        self, shared_redis: SharedRedis, tmp_path: Path, workers: int
    ) -> None:
        path = shared_redis.owner.data_dir / "redis" / "redis.sock"
        async with AsyncExitStack() as stack:
            async with shared_redis.away():
                server = RunningServer.waiting(
                    tmp_path / "waiting",
                    shared_redis.option,
                    f"--workers={workers}",
                    environ=shared_redis.owner.account_environ,
                )
                stack.callback(server.stop)
                await until_accepting(server)
                said = f"not ready (redis): Redis at {path} cannot be reached: "
                await eventually(lambda: server.log.read_text().count(said) == workers)
                if workers > 1:
                    waits = f"worker 0 waits: Redis at {path} cannot be reached: "
                    await eventually(lambda: waits in server.log.read_text())
                reply = httpx2.get(f"{server.url}/readyz")
                assert reply.status_code == 503
                assert f"Redis at {path} cannot be reached" in reply.json()["message"]
                assert server.process.stdout is not None
                assert not select.select([server.process.stdout], [], [], 0)[0]
            await asyncio.to_thread(server.await_ready)
            over = "redis: the problem is solved"
            await eventually(lambda: over in server.log.read_text())

    async def test_while_it_is_away_sockets_stay_and_afterwards_all_converges(
        self, fresh_server: StartServer, shared_redis: SharedRedis
    ) -> None:
        server, owner = (
            fresh_server(shared_redis.option, environ=shared_redis.owner.account_environ),
            shared_redis.owner,
        )
        async with native_socket(server) as socket, native_socket(server) as reader:
            kept = await socket.document("open", document=unique(), data={"n": 1})
            short = await socket.document("open", document=unique(), ttl=1)
            await reader.ok("open", document=kept["sid"])
            async with event_stream(server, kept["sid"]) as stream:
                await stream.next()
                async with shared_redis.away():
                    await _is_refused(socket, server, kept["sid"])
                async with native_socket(owner, auth=False) as writer:
                    await retry(writer, "auth", token=owner.token("bob"))
                    # The other server's feed may not be back yet.
                    written = await retry(writer, "set", document=kept["sid"], data={"n": 2})
                revision = written["document"]["revision"]
                assert await reader.updates(revision) == [revision]
                assert (await stream.next()).id == revision
            received = [await socket.event() for _ in range(2)]

        events = {event["event"]: event["document"] for event in received}
        assert events["updated"]["data"] == {"n": 2}
        assert events["updated"]["updated_by"] == "bob"
        assert events["removed"]["sid"] == short["sid"]


@pytest.mark.usefixtures("installed_command")
class TestRefusal:
    @pytest.mark.parametrize("workers", ["1", "2"])
    @pytest.mark.parametrize(
        ("login", "database", "said"),
        [
            (":wrong@", "0", "WRONGPASS"),
            ("nobody:secret@", "0", "WRONGPASS"),
            ("", "0", "NOAUTH"),
            (":secret@", "99", "DB index is out of range"),
        ],
    )
    async def test_a_redis_that_refuses_the_server_ends_the_start_with_one_line(
        self,
        store: Store,
        admin: Connection,
        tmp_path: Path,
        workers: str,
        login: str,
        database: str,
        said: str,
    ) -> None:
        path = store.url.removeprefix("unix://")
        options = f"--redis-url=unix://{login}{path}?db={database}", f"--workers={workers}"
        await admin.execute("CONFIG", "SET", "requirepass", "secret")
        try:
            line = await asyncio.to_thread(
                refused_start, "--port=0", f"--data-dir={tmp_path / 'mine'}", *options
            )
        finally:
            await admin.execute("CONFIG", "SET", "requirepass", "")
        assert line.startswith(f"syncline: the Redis at {path} refuses this server: ")
        assert said in line and "wrong" not in line and "secret" not in line


class TestEmbeddedRedis:
    async def test_one_that_dies_is_started_again_and_keeps_what_was_acknowledged(
        self, fresh_server: StartServer
    ) -> None:
        server = fresh_server()
        async with native_socket(server) as socket, native_socket(server) as reader:
            document = await reader.document("open", document=unique(), data={"n": 0})
            acknowledged = 0
            for _ in range(3):
                for n in range(50):
                    if n == 25:
                        redis_of(server).kill()
                    reply = await socket.ask("patch", document=document["sid"], increment={"/n": 1})
                    if "ok" in reply:
                        acknowledged += 1
                        assert reply["ok"]["document"]["data"]["n"] >= acknowledged
                    else:
                        assert reply["error"]["code"] == 20503
                await retry(socket, "get", document=document["sid"])
            last = await retry(socket, "patch", document=document["sid"], increment={"/n": 1})
            revisions = await reader.updates(last["document"]["revision"])

        assert acknowledged < last["document"]["data"]["n"] <= 151
        assert revisions == sorted(set(revisions), key=int)


async def until_accepting(server: RunningServer) -> None:
    """Return when it accepts connections; it may lack all else."""
    async with asyncio.timeout(WAIT), httpx2.AsyncClient() as http:
        while True:
            try:
                assert (await http.get(f"{server.url}/healthz")).status_code == 200
                return
            except httpx2.TransportError:
                await asyncio.sleep(0.02)


async def retry(socket: NativeSocket, do: str, **members: Any) -> dict[str, Any]:
    """The `ok` of a request that is sent again for as long as the refusal asks for it."""
    async with asyncio.timeout(WAIT):
        while True:
            reply = await socket.ask(do, **members)
            if "ok" in reply:
                ok: dict[str, Any] = reply["ok"]
                return ok
            assert reply["error"]["retry"], reply
            await asyncio.sleep(0.02)


async def _is_refused(socket: NativeSocket, server: RunningServer, sid: str) -> None:
    """Everything, over the socket and over REST; and the socket stays."""
    requests: dict[str, dict[str, Any]] = {
        "get": {},
        "set": {"data": {"n": 2}},
        "patch": {"increment": {"/n": 1}},
        "ttl": {"ttl": 60},
        "remove": {},
        "open": {},
    }
    for do, members in requests.items():
        error = await socket.error(do, document=sid, **members)
        assert (error["status"], error["code"], error["retry"]) == (503, 20503, True)
    error = await socket.error("open", document=unique())
    assert error["code"] == 20503
    assert await socket.ok("ping") == {}
    with DocumentsApi(server) as api:
        for method in ("GET", "POST", "DELETE"):
            data = {"Ttl": "1"} if method == "POST" else None
            reply = api.call(method, sid, data=data)
            assert (reply.status_code, reply.json()["code"]) == (503, 20503)
            assert int(reply.headers["Retry-After"]) >= 1
        assert api.http.get(f"{server.url}/healthz").status_code == 200
        assert api.http.get(f"{server.url}/readyz").status_code == 503
