"""What is secret stays out of logs, URLs, error texts and the list of processes."""

from __future__ import annotations

import base64
import os
import re
from pathlib import Path

import httpx2
import psutil
import pytest

import syncline
from support.api import DocumentsApi, unique
from support.server import RunningServer, StartServer
from support.socket import native_socket
from support.twilsock import twilsock_client
from syncline.options import TransportChoice

pytestmark = pytest.mark.usefixtures("installed_command")

ROOT = Path(__file__).parents[2]

WRONG = "a-secret-that-is-wrong"


@pytest.mark.parametrize("form", ["text", "json"])
async def test_nothing_of_it_is_reported(fresh_server: StartServer, form: str) -> None:
    server = fresh_server("--log-level=debug", f"--log-format={form}", "--workers=2", "--demo")
    tokens = [server.token("alice"), server.token("bob", ttl=-3600)]
    replies = await _visit(server, *tokens)
    family = psutil.Process(server.process.pid)
    commands = [p.cmdline() for p in [family, *family.children(recursive=True)]]
    server.stop()

    output = server.log.read_text() + server.ready_line + "".join(replies) + str(commands)
    assert "syncline" in server.log.read_text()
    found = [secret for secret in _secrets(server, *tokens) if secret in output]
    assert found == []


SECRETS = {
    "SYNCLINE_ACCOUNT_SID": "AC" + "1" * 32,
    "SYNCLINE_AUTH_TOKEN": "secret-of-the-account",
    "SYNCLINE_API_KEY_SID": "SK" + "2" * 32,
    "SYNCLINE_API_KEY_SECRET": "secret-of-the-key",
    "SYNCLINE_API_KEYS": "SK" + "3" * 32 + ":secret-of-the-other",
    "SYNCLINE_MASTER_KEY": base64.b64encode(b"secret-of-the-32-bytes-in-redis!").decode(),
}


@pytest.mark.parametrize("workers", [1, 2])
def test_no_child_has_it_in_its_environment_or_arguments(
    fresh_server: StartServer, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setenv("SOMEBODY_ELSES_PASSWORD", "secret-of-somebody-else")
    server = fresh_server(f"--workers={workers}", environ=SECRETS)
    children = psutil.Process(server.process.pid).children(recursive=True)
    assert len(children) == (3 if workers == 2 else 1)
    for child in children:
        environ = Path(f"/proc/{child.pid}/environ").read_bytes().decode() + str(child.cmdline())
        for name, value in SECRETS.items():
            assert name not in environ and value not in environ
        if "runtime.worker" not in str(child.cmdline()):
            assert "SOMEBODY_ELSES_PASSWORD" not in environ
    # They serve all the same, with these credentials.
    with DocumentsApi(server) as api:
        assert api.create()["sid"]


async def test_a_redis_url_is_in_no_worker(fresh_server: StartServer) -> None:
    owner = fresh_server()
    url = f"unix://{owner.data_dir / 'redis' / 'redis.sock'}?db=0"
    environ = {"SYNCLINE_REDIS_URL": url, **owner.account_environ}
    server = fresh_server("--workers=2", environ=environ)
    for child in psutil.Process(server.process.pid).children(recursive=True):
        assert b"redis.sock" not in Path(f"/proc/{child.pid}/environ").read_bytes()


def test_files_in_the_data_directory_are_their_owners_alone(
    fresh_server: StartServer, tmp_path: Path
) -> None:
    before = os.umask(0)
    try:
        # As an earlier version left it.
        (old := tmp_path / "data" / "redis" / "appendonlydir").mkdir(parents=True)
        (old / "left-by-an-earlier-version").touch()
        (tmp_path / "data").chmod(0o700)
        server = fresh_server(data_dir=tmp_path / "data")
    finally:
        os.umask(before)
    with DocumentsApi(server) as api:
        api.create()
    made = [server.data_dir, *server.data_dir.rglob("*")]
    assert len(made) > 8
    assert [path for path in made if path.lstat().st_mode & 0o077] == []


async def _visit(server: RunningServer, good: str, expired: str) -> list[str]:
    """Present everything in every way there is, right and wrong; what was answered."""
    answers: list[str] = []
    with DocumentsApi(server) as api, httpx2.Client() as http:
        answers += [api.call("POST", data={"UniqueName": unique()}).text, api.call("GET").text]
        headers = [
            f"Bearer {good}",
            f"Bearer {expired}",
            f"Bearer {good}x",
            f"Bearer x{good}",
            f"Basic {good}",
            f"Digest {good}",
            good,
            _basic(server.basic[0], WRONG),
            _basic(WRONG, server.basic[1]),
            _basic(*server.basic).replace("=", ""),
        ]
        for header in headers:
            answers.append(http.get(api.url, headers={"Authorization": header}).text)
            answers.append(
                http.get(f"{api.url}/none/Events", headers={"Authorization": header}).text
            )
    choices: tuple[TransportChoice, ...] = ("websocket", "rest")
    for choice in choices:
        async with syncline.connect(server.url, token=good, transport=choice) as client:
            await client.document(unique())
    for token in (expired, f"{good}x", f"x{good}"):
        async with native_socket(server, auth=False) as socket:
            answers.append(str(await socket.error("auth", token=token)))
            answers.append(str(await socket.closed()))
        async with twilsock_client(server, init=False) as client:
            answers.append(str(await client.init(token)))
    return answers


def _basic(user: str, password: str) -> str:
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _secrets(server: RunningServer, *tokens: str) -> list[str]:
    known = server.credentials
    logins = [_basic(*server.basic).removeprefix("Basic ").rstrip("=")]
    # A signature is what makes a token one; the rest of it is no secret.
    signatures = [token.rpartition(".")[2] for token in tokens]
    return [known.auth_token, *known.api_keys.values(), *logins, *signatures, WRONG]


@pytest.mark.parametrize("directory", ["clients/js/src", "clients/python", "server"])
def test_no_client_writes_a_token_into_a_url(directory: str) -> None:
    # A browser's EventSource can send no header, which tempts to that.
    suspicious = re.compile(r"[?&](?:access_?)?token=|new EventSource|searchParams\.\w+\(.token")
    found = [
        path
        for path in (ROOT / directory).rglob("*")
        if path.suffix in (".js", ".py", ".html") and suspicious.search(path.read_text())
    ]
    assert found == []
