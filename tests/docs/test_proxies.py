"""The recipes of docs/proxies.md, run by the proxies that are installed, before a real server."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import syncline
from support.certificates import CertificateAuthority
from support.cluster import free_ports
from support.limits import WAIT_LIMIT
from support.server import RunningServer, StartSharedServer
from support.snippets import select

RECIPES = {snippet.language: snippet.code for snippet in select("proxy")}

NGINX = "daemon off; pid {0}/pid; error_log stderr; events {{}} http {{ access_log off; {1} }}"
TEMPORARY = "".join(
    f"{name}_temp_path {{0}}/{name};"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


@contextmanager
def running_proxy(
    language: str, directory: Path, authority: CertificateAuthority, upstream: str
) -> Iterator[int]:
    """Start the proxy with its recipe; the value is the port."""
    identity = authority.issue(directory / "tls")
    both = directory / "sync.pem"
    both.write_bytes(identity.certificate.read_bytes() + identity.key.read_bytes())
    (port,) = free_ports(1)
    text = RECIPES[language]
    match language:
        case "nginx":
            text = text.replace("443 ssl", f"127.0.0.1:{port} ssl")
            text = text.replace("/etc/nginx/fullchain.pem", str(identity.certificate))
            text = text.replace("/etc/nginx/privkey.pem", str(identity.key))
            text = NGINX.format(directory, TEMPORARY.format(directory) + text)
            command = ["nginx", "-e", "stderr", "-c"]
        case "haproxy":
            text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
            text = text.replace("/etc/haproxy/sync.pem", str(both))
            command = ["haproxy", "-db", "-f"]
        case _:
            options = "{\n admin off\n auto_https disable_redirects\n}\n"
            tls = f"https://localhost:{port} {{\n tls {identity.certificate} {identity.key}\n"
            text = options + text.replace("sync.example.com {\n", tls)
            command = ["caddy", "run", "--adapter", "caddyfile", "--config"]
    config = directory / "proxy.conf"
    config.write_text(text.replace("10.0.0.5:8040", upstream))
    home = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory)}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, config], stdout=log, stderr=log, env=home)
    try:
        _wait_until_listening(process, port)
        yield port
    finally:
        process.kill()  # Caddy would wait for idle connections
        process.wait()


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + WAIT_LIMIT
    while True:
        assert process.poll() is None, "the proxy ended; its log is beside its configuration"
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        else:
            return


@pytest.mark.parametrize("prefix", ["", "/sync"], ids=["root", "prefix"])
@pytest.mark.parametrize("language", RECIPES)
async def test_a_recipe_passes_rest_sockets_and_event_streams(
    language: str,
    prefix: str,
    tmp_path: Path,
    authority: CertificateAuthority,
    shared_server: StartSharedServer,
) -> None:
    program = {"caddyfile": "caddy"}.get(language, language)
    if not shutil.which(program):
        pytest.skip(f"{program} is not installed")
    server: RunningServer = shared_server("--trusted-proxies=127.0.0.1")
    with running_proxy(language, tmp_path, authority, f"127.0.0.1:{server.port}") as port:
        url = f"https://localhost:{port}{prefix}"
        name = f"{program}{prefix.strip('/')}"
        for transport in ("websocket", "rest"):
            async with syncline.connect(
                url, token=server.token(), ssl=authority.context, transport=transport
            ) as client:
                document = await client.document(name)
                events = document.events()
                await _write(server, name, transport)
                event = await anext(events)
                assert event.data == {"by": transport}
        async with httpx2.AsyncClient(auth=server.basic, verify=authority.context) as http:
            reply = await http.get(f"{url}/v1/Services/default/Documents/{name}")
        # The three headers arrived, so URLs are those of the proxy.
        assert reply.json()["url"].startswith(f"https://localhost:{port}/")


async def _write(server: RunningServer, name: str, transport: str) -> None:
    url = f"{server.url}/v1/Services/default/Documents/{name}"
    async with httpx2.AsyncClient(auth=server.basic) as http:
        (await http.post(url, data={"Data": f'{{"by": "{transport}"}}'})).raise_for_status()
