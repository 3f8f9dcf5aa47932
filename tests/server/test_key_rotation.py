"""Keys that come and go while servers run and clients are connected, in several processes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
import psutil
import pytest

from support.api import DocumentsApi, unique
from support.keys import Key, KeysApi, until
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartServer, run_serve
from support.socket import NativeSocket, native_socket
from support.stream import event_stream
from support.twilsock import twilsock_client
from syncline_server.config.encryption import make_master_key

REVOKED = "The API key that issued the access token was revoked (iss)."


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The process that is notified."""
    with RunningServer(tmp_path_factory.mktemp("rotation") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def second(first: RunningServer) -> Iterator[RunningServer]:
    """A server of its own on the same Redis, with the same account and master key."""
    beside = first.data_dir.with_name("second")
    with RunningServer(beside, redis_of(first), environ=secrets_of(first)) as server:
        yield server


@pytest.fixture(params=["the same process", "another server"])
def server(request: pytest.FixtureRequest, first: RunningServer) -> RunningServer:
    """The process that clients are connected to."""
    if request.param == "the same process":
        return first
    other: RunningServer = request.getfixturevalue("second")
    return other


@pytest.fixture(scope="module")
def keys(first: RunningServer) -> Iterator[KeysApi]:
    with KeysApi(first) as api:
        yield api


def redis_of(server: RunningServer) -> str:
    return f"--redis-url=unix://{server.data_dir}/redis/redis.sock"


def secrets_of(server: RunningServer) -> dict[str, str]:
    """Variables with which another server has the same secrets."""
    known = server.credentials
    [(key, secret)] = known.api_keys.items()
    return {
        "SYNCLINE_ACCOUNT_SID": known.account_sid,
        "SYNCLINE_AUTH_TOKEN": known.auth_token,
        "SYNCLINE_API_KEY_SID": key,
        "SYNCLINE_API_KEY_SECRET": secret,
        "SYNCLINE_MASTER_KEY": (server.data_dir / "master.key").read_text(),
    }


def documents_url(server: RunningServer) -> str:
    return f"{server.url}/v1/Services/default/Documents"


async def until_known(server: RunningServer, key: Key) -> None:
    """Return when the process takes the key's logins."""
    async with httpx2.AsyncClient(auth=key.login, verify=False) as http:

        async def is_known() -> bool:
            return (await http.get(documents_url(server))).status_code == 200

        await until(is_known)


async def renew(socket: NativeSocket, token: str) -> None:
    """Put a token in force that the process may have to learn about."""

    async def is_taken() -> bool:
        return "ok" in await socket.ask("auth", token=token)

    await until(is_taken)


class TestRevocation:
    """What lives by a key ends with it; what lives by another goes on."""

    async def test_native_sockets_end_with_the_code_for_a_refused_token(
        self, server: RunningServer, keys: KeysApi
    ) -> None:
        key, other = keys.add(), keys.add()
        await until_known(server, key)
        await until_known(server, other)
        name = unique()
        async with (
            native_socket(server, key.token(server)) as socket,
            native_socket(server, other.token(server)) as bystander,
            native_socket(server, server.token()) as unconcerned,
        ):
            for each in (socket, bystander, unconcerned):
                await each.ok("open", document=name)
            await asyncio.to_thread(keys.revoke, key.sid)
            assert await socket.closed() == (4501, REVOKED)
            revision = (await bystander.document("set", document=name, data={}))["revision"]
            assert await unconcerned.updates(revision) == [revision]

    async def test_twilsock_connections_end_without_a_close_packet(
        self, server: RunningServer, keys: KeysApi
    ) -> None:
        key = keys.add()
        await until_known(server, key)
        async with twilsock_client(server, key.token(server)) as client:
            await asyncio.to_thread(keys.revoke, key.sid)
            assert await client.closed() == (None, 1000)
        # An SDK connects again, and this is where it learns why.
        async with twilsock_client(server, init=False) as client:
            status = (await client.ask("init", token=key.token(server)))["status"]
        assert status == {
            "code": 401,
            "status": "UNAUTHORIZED",
            "errorCode": 20101,
            "description": REVOKED,
        }

    @pytest.mark.parametrize("by", ["token", "login", "login only"])
    async def test_event_streams_receive_the_reason(
        self, server: RunningServer, keys: KeysApi, by: str
    ) -> None:
        key = keys.add(login_only=by == "login only")
        await until_known(server, key)
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
        async with AsyncExitStack() as stack:
            if by == "token":
                entered = event_stream(server, sid, token=key.token(server))
            else:
                entered = event_stream(server, sid, login=key.login)
            stream = await stack.enter_async_context(entered)
            assert (await stream.next()).name == "state"
            await asyncio.to_thread(keys.revoke, key.sid)
            [closing] = await stream.rest()
        expected = (
            (20103, REVOKED) if by == "token" else (20003, "The API key of this login was revoked.")
        )
        assert closing.name == "closing"
        assert closing.data == {"code": expected[0], "message": expected[1], "retry": False}

    async def test_nothing_new_is_let_in(self, server: RunningServer, keys: KeysApi) -> None:
        key = keys.add()
        await until_known(server, key)
        token = key.token(server)
        async with native_socket(server, token) as socket:
            await asyncio.to_thread(keys.revoke, key.sid)
            await socket.closed()  # from now on the process knows
        async with httpx2.AsyncClient(verify=False) as http:
            login = await http.get(documents_url(server), auth=key.login)
            with_token = await http.get(
                documents_url(server), headers={"Authorization": f"Bearer {token}"}
            )
        assert (login.status_code, login.json()["code"]) == (401, 20003)
        assert (with_token.status_code, with_token.json()["code"]) == (401, 20103)
        async with native_socket(server, auth=False) as socket:
            assert (await socket.error("auth", token=token))["code"] == 20103
            assert (await socket.closed())[0] == 4501
        async with twilsock_client(server, init=False) as client:
            status = (await client.init(token))["status"]
            assert (status["code"], status["errorCode"]) == (401, 20101)

    async def test_a_token_of_another_key_saves_who_renews_in_time(
        self, server: RunningServer, keys: KeysApi
    ) -> None:
        old, new = keys.add(), keys.add()
        await until_known(server, old)
        name = unique()
        async with (
            native_socket(server, old.token(server)) as renewed,
            native_socket(server, old.token(server)) as late,
        ):
            await renew(renewed, new.token(server))
            await asyncio.to_thread(keys.revoke, old.sid)
            assert (await late.closed())[0] == 4501
            await renewed.ok("open", document=name)
            # And not the other way round.
            assert (await renewed.error("auth", token=old.token(server)))["code"] == 20103
            await renewed.ok("set", document=name, data={"n": 1})
            await asyncio.to_thread(keys.revoke, new.sid)
            assert (await renewed.closed())[0] == 4501

    async def test_many_go_at_once(self, server: RunningServer, keys: KeysApi) -> None:
        key = keys.add()
        await until_known(server, key)
        async with AsyncExitStack() as stack:
            sockets = [
                await stack.enter_async_context(native_socket(server, key.token(server, f"n{n}")))
                for n in range(40)
            ]
            await asyncio.to_thread(keys.revoke, key.sid)
            ends = await asyncio.gather(*(socket.closed() for socket in sockets))
        assert {code for code, _ in ends} == {4501}


async def test_two_workers_rotate_a_key_under_connected_clients(fresh_server: StartServer) -> None:
    server = fresh_server("--workers=2")
    [configured] = server.credentials.api_keys
    name = unique()
    with KeysApi(server) as keys:
        new = keys.add()
        async with AsyncExitStack() as stack:
            # So many that the kernel gives some to each worker.
            sockets = [await stack.enter_async_context(native_socket(server)) for _ in range(16)]
            for socket in sockets:
                await socket.ok("open", document=name)
            late = await stack.enter_async_context(native_socket(server))
            for socket in sockets:
                await renew(socket, new.token(server))
            await asyncio.to_thread(keys.revoke, configured)
            assert (await late.closed())[0] == 4501
            written = await sockets[0].document("set", document=name, data={"n": 1})
            for socket in sockets[1:]:
                assert await socket.updates(written["revision"]) == [written["revision"]]
            await asyncio.to_thread(server.restart)
            # The configuration still holds the old key, which stays revoked.
            old = Key(configured, server.credentials.api_keys[configured])
            async with native_socket(server, auth=False) as again:
                assert (await again.error("auth", token=old.token(server)))["code"] == 20103
            async with native_socket(server, new.token(server)) as again:
                assert (await again.document("get", document=name))["data"] == {"n": 1}


async def test_known_keys_work_while_redis_is_away(fresh_server: StartServer) -> None:
    server = fresh_server("--metrics-access=account", "--redis-timeout=0.3")
    with KeysApi(server) as keys:
        key = keys.add()
    [redis] = psutil.Process(server.process.pid).children()
    unknown = Key(f"SK{'9' * 32}", "secret")
    async with httpx2.AsyncClient(base_url=server.url, timeout=WAIT_LIMIT, verify=False) as http:
        os.kill(redis.pid, signal.SIGSTOP)
        try:

            async def code_of(login: tuple[str, str], path: str) -> int:
                return (await http.get(path, auth=login)).status_code

            async def is_unsure() -> bool:
                return await code_of(unknown.login, "/metrics") == 503

            # An unknown key cannot be distinguished from one that was added since.
            await until(is_unsure)
            assert await code_of(key.login, "/metrics") == 200
            assert await code_of((key.sid, "wrong"), "/metrics") == 401
            assert await code_of(key.login, "/v1/Services") == 503
        finally:
            os.kill(redis.pid, signal.SIGCONT)

        async def is_sure() -> bool:
            return await code_of(unknown.login, "/metrics") == 401

        await until(is_sure)


class TestMasterKey:
    """Servers that cannot read the keys say so."""

    @pytest.mark.parametrize("workers", [1, 2])
    def test_a_start_with_another_one_ends_in_one_line(
        self, first: RunningServer, keys: KeysApi, tmp_path: Path, workers: int
    ) -> None:
        key = keys.add()
        environ = secrets_of(first) | {"SYNCLINE_MASTER_KEY": make_master_key()}
        ended = run_serve(
            f"--data-dir={tmp_path / 'data'}",
            "--port=0",
            redis_of(first),
            f"--workers={workers}",
            environ=environ,
        )
        keys.revoke(key.sid)
        assert ended.returncode == 2
        [line] = ended.stderr.splitlines()
        assert line.startswith("syncline: the API keys in Redis cannot be decrypted: ")
        assert "SYNCLINE_MASTER_KEY" in line and environ["SYNCLINE_MASTER_KEY"] not in line

    async def test_one_that_runs_already_is_not_ready_and_refuses_with_retry(
        self, fresh_server: StartServer
    ) -> None:
        one = fresh_server()
        environ = secrets_of(one) | {"SYNCLINE_MASTER_KEY": make_master_key()}
        other = fresh_server(redis_of(one), environ=environ)
        with KeysApi(one) as keys:
            key = keys.add()
            async with httpx2.AsyncClient(base_url=other.url, verify=False) as http:

                async def is_unready() -> bool:
                    reply = await http.get("/readyz")
                    return reply.status_code == 503 and "another master key" in reply.text

                await until(is_unready)
                assert "keys" in (await http.get("/readyz")).json()["details"]["missing"]
                login = await http.get("/v1/Services", auth=key.login)
                assert (login.status_code, login.json()["code"]) == (503, 20503)
                added = await http.post("/v1/Keys", auth=other.basic)
                assert (added.status_code, added.json()["code"]) == (409, 20409)
                async with native_socket(other, auth=False) as socket:
                    error = await socket.error("auth", token=key.token(one))
                    assert (error["code"], error["retry"]) == (20503, True)
                keys.revoke(key.sid)

                async def is_ready() -> bool:
                    return (await http.get("/readyz")).status_code == 200

                await until(is_ready)
        assert f"API key {key.sid} cannot be used here" in other.log.read_text()

    @pytest.mark.parametrize("name", ["master.key", "credentials.json"])
    def test_a_file_that_others_may_read_ends_the_start(
        self, fresh_server: StartServer, name: str
    ) -> None:
        server = fresh_server()
        server.stop()
        (server.data_dir / name).chmod(0o640)
        ended = run_serve(f"--data-dir={server.data_dir}", "--port=0", environ={})
        assert ended.returncode == 2
        [line] = ended.stderr.splitlines()
        assert "mode 600, not 640" in line and f"chmod 600 {server.data_dir / name}" in line


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_no_secret_is_ever_logged(fresh_server: StartServer, log_format: str) -> None:
    server = fresh_server(f"--log-format={log_format}", "--log-level=debug", "--workers=2")
    account, auth_token = server.basic
    [(configured, configured_secret)] = server.credentials.api_keys.items()
    with KeysApi(server) as keys:
        signing, logging_in = keys.add(), keys.add(login_only=True)
        await until_known(server, signing)
        wrong = Key(signing.sid, "a-wrong-secret-of-a-key-that-is-known")
        tokens = [each.token(server) for each in (signing, wrong)] + [server.token()]
        with DocumentsApi(server) as api:
            sid = api.create()["sid"]
        async with httpx2.AsyncClient(base_url=server.url, verify=False) as http:
            for key in (signing, logging_in, wrong, Key("nobody", "a-strangers-secret")):
                await http.get("/v1/Services", auth=key.login)
                await http.get("/v1/Keys", auth=key.login)
            for token in tokens:
                await http.get("/v1/Services", headers={"Authorization": f"Bearer {token}"})
                await http.get(f"/v1/Services?token={token}", auth=signing.login)
            await http.post("/v1/Keys", auth=(account, f"{auth_token}-wrong"))
        for token in tokens:
            async with native_socket(server, auth=False) as socket:
                await socket.ask("auth", token=token)
            async with twilsock_client(server, init=False) as client:
                await client.init(token)
            async with event_stream(server, sid, token=token) as stream:
                assert stream.response.status_code in (200, 401)
        keys.revoke(signing.sid)
        keys.revoke(logging_in.sid)
    await asyncio.to_thread(server.stop)
    log = server.log.read_text()
    for expected in (signing.sid, logging_in.sid, "syncline.audit", "20003"):
        assert expected in log
    master_key = (server.data_dir / "master.key").read_text().strip()
    for key in (signing, logging_in, wrong):
        assert key.secret not in log
    for secret in (auth_token, configured_secret, master_key, "a-strangers-secret", *tokens):
        assert secret not in log
    assert json.dumps(configured_secret) not in log
