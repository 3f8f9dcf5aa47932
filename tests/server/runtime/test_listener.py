"""Where a server listens: one address, both families, several."""

from __future__ import annotations

import socket
from pathlib import Path

import httpx2
import pytest

from support.server import StartServer, refused_start
from syncline_server.config.settings import Settings
from syncline_server.runtime.listener import listen

needs_ipv6 = pytest.mark.skipif(
    not socket.has_dualstack_ipv6(), reason="this system has no IPv6, or not with IPv4"
)


@needs_ipv6
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("host", ["::", "127.0.0.1,::1"])
def test_both_families_are_served(fresh_server: StartServer, host: str, workers: int) -> None:
    server = fresh_server(f"--host={host}", f"--workers={workers}")
    for address in ("127.0.0.1", "[::1]"):
        for _ in range(4):
            reply = httpx2.get(f"http://{address}:{server.port}/healthz")
            assert reply.status_code == 200


@needs_ipv6
def test_a_caller_of_this_machine_is_local_by_either_family(fresh_server: StartServer) -> None:
    server = fresh_server("--host=::", "--demo")
    for address in ("127.0.0.1", "[::1]"):
        reply = httpx2.get(f"http://{address}:{server.port}/demo/token?identity=alice")
        assert reply.status_code == 200


def test_several_addresses_have_one_port() -> None:
    listeners = listen(Settings(host="127.0.0.1, 127.0.0.2", port=0))
    try:
        assert [each.getsockname()[0] for each in listeners] == ["127.0.0.1", "127.0.0.2"]
        assert len({each.getsockname()[1] for each in listeners}) == 1
    finally:
        for each in listeners:
            each.close()


def test_an_address_that_is_not_here_ends_the_start_with_one_line(tmp_path: Path) -> None:
    line = refused_start("--port=0", "--host=127.0.0.1,192.0.2.1", f"--data-dir={tmp_path}")
    assert "cannot listen on 192.0.2.1" in line
    assert "--host must be one address" in refused_start("--host=,", f"--data-dir={tmp_path}")
