"""The recipes of docs/proxies.md, run by the proxies that are installed, before a real server."""

from __future__ import annotations

import os
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2
import pytest

import syncline
from support.certificates import CertificateAuthority
from support.cluster import free_ports
from support.limits import WAIT_LIMIT
from support.programs import find_program
from support.server import RunningServer, StartSharedServer
from support.snippets import ROOT, select

PROGRAMS = {"caddyfile": "caddy", "yaml": "traefik"}
"""Programs whose configuration is in a language of another name."""

RECIPES: dict[str, list[str]] = {}
for snippet in select("proxy"):
    program = PROGRAMS.get(snippet.language, snippet.language)
    RECIPES.setdefault(program, []).append(snippet.code)

NGINX = "daemon off; pid {0}/pid; error_log stderr; events {{}} http {{ access_log off; {1} }}"
TEMPORARY = "".join(
    f"{name}_temp_path {{0}}/{name};"
    for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)

CADDYFILE = ROOT / "deploy" / "caddy" / "Caddyfile"

QUIET = "global: {checkNewVersion: false, sendAnonymousUsage: false}\n"
"""Of Traefik, which would ask its makers."""


@contextmanager
def running_proxy(
    program: str, directory: Path, authority: CertificateAuthority, upstream: str
) -> Iterator[int]:
    """Start the proxy with its recipe; the value is the port."""
    identity = authority.issue(directory / "tls")
    both = directory / "sync.pem"
    both.write_bytes(identity.certificate.read_bytes() + identity.key.read_bytes())
    (port,) = free_ports(1)
    text, *others = RECIPES[program]
    executable = find_program(program)
    match program:
        case "nginx":
            text = text.replace("443 ssl", f"127.0.0.1:{port} ssl")
            text = text.replace("/etc/nginx/fullchain.pem", str(identity.certificate))
            text = text.replace("/etc/nginx/privkey.pem", str(identity.key))
            text = NGINX.format(directory, TEMPORARY.format(directory) + text)
            command = [executable, "-e", "stderr", "-c"]
        case "haproxy":
            text = text.replace("bind :443", f"bind 127.0.0.1:{port}")
            text = text.replace("/etc/haproxy/sync.pem", str(both))
            command = [executable, "-db", "-f"]
        case "traefik":
            [routes] = others
            routes = routes.replace("sync.example.com", "localhost")
            routes = routes.replace("/etc/traefik/fullchain.pem", str(identity.certificate))
            routes = routes.replace("/etc/traefik/privkey.pem", str(identity.key))
            file = directory / "sync.yaml"
            file.write_text(routes.replace("10.0.0.5:8040", upstream))
            text = text.replace(":443", f"127.0.0.1:{port}")
            text = QUIET + text.replace("/etc/traefik/sync.yaml", str(file))
            command = [executable, "--configFile"]
        case _:
            options = "{\n admin off\n auto_https disable_redirects\n}\n"
            tls = f"https://localhost:{port} {{\n tls {identity.certificate} {identity.key}\n"
            text = options + text.replace("sync.example.com {\n", tls)
            command = [executable, "run", "--adapter", "caddyfile", "--config"]
    config = directory / "proxy.yaml"  # Traefik needs this ending
    config.write_text(text.replace("10.0.0.5:8040", upstream))
    with _running([*command, str(config)], f"https://localhost:{port}", directory, authority):
        yield port


@contextmanager
def _running(
    command: list[str], url: str, directory: Path, authority: CertificateAuthority, **variables: str
) -> Iterator[None]:
    """Run a proxy until the end of the block, and enter it when the proxy answers at the URL."""
    environ = {**os.environ, "HOME": str(directory), "XDG_DATA_HOME": str(directory), **variables}
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environ)
    try:
        _wait_until_ready(process, f"{url}/healthz", authority.context)
        yield
    finally:
        process.kill()  # Caddy would wait for idle connections
        process.wait()


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, trust: ssl.SSLContext) -> None:
    """Wait until the proxy answers for the server. Traefik listens before it has read its routes,
    and answers 404 until then."""
    deadline = time.monotonic() + WAIT_LIMIT
    while True:
        assert process.poll() is None, "the proxy ended; its log is beside its configuration"
        with suppress(httpx2.ConnectError):
            if httpx2.get(url, verify=trust).is_success:
                return
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("prefix", ["", "/sync"], ids=["root", "prefix"])
@pytest.mark.parametrize("program", RECIPES)
async def test_a_recipe_passes_rest_sockets_and_event_streams(
    program: str,
    prefix: str,
    tmp_path: Path,
    authority: CertificateAuthority,
    shared_server: StartSharedServer,
) -> None:
    server: RunningServer = shared_server("--trusted-proxies=127.0.0.1")
    with running_proxy(program, tmp_path, authority, f"127.0.0.1:{server.port}") as port:
        url = f"https://localhost:{port}{prefix}"
        await _check(url, server, f"{program}{prefix.strip('/')}", authority)


async def test_so_does_the_caddyfile_of_compose(
    tmp_path: Path, authority: CertificateAuthority, shared_server: StartSharedServer
) -> None:
    server: RunningServer = shared_server("--trusted-proxies=127.0.0.1")
    (port,) = free_ports(1)
    # A name with `http` needs no certificate of an authority that is not there.
    url = f"http://localhost:{port}"
    upstream = f"127.0.0.1:{server.port}"
    variables = {"DOMAIN": url, "UPSTREAM": upstream, "CADDY_ADMIN": "127.0.0.1:0"}
    options = ["--adapter", "caddyfile", "--config", str(CADDYFILE)]
    command = [find_program("caddy"), "run", *options]
    with _running(command, url, tmp_path, authority, **variables):
        await _check(url, server, "compose", authority)


async def _check(
    url: str, server: RunningServer, name: str, authority: CertificateAuthority
) -> None:
    """REST, a WebSocket and an event stream pass the proxy at the URL, and it sets the headers."""
    trust = authority.context if url.startswith("https:") else None
    for transport in ("websocket", "rest"):
        async with syncline.connect(
            url, token=server.token(), ssl=trust, transport=transport
        ) as client:
            document = await client.document(name)
            events = document.events()
            await _write(server, name, transport)
            event = await anext(events)
            assert event.data == {"by": transport}
    async with httpx2.AsyncClient(auth=server.basic, verify=authority.context) as http:
        reply = await http.get(f"{url}/v1/Services/default/Documents/{name}")
    # The three headers arrived, so URLs are those of the proxy.
    assert reply.json()["url"].startswith(f"{url.removesuffix('/sync')}/")


async def _write(server: RunningServer, name: str, transport: str) -> None:
    url = f"{server.url}/v1/Services/default/Documents/{name}"
    async with httpx2.AsyncClient(auth=server.basic) as http:
        (await http.post(url, data={"Data": f'{{"by": "{transport}"}}'})).raise_for_status()
