"""The limit of open files: it is raised, and near it connections get an answer."""

from __future__ import annotations

import re
import resource
import socket
import subprocess
import sys
from contextlib import ExitStack

import httpx2
import psutil

from support.limits import WAIT_LIMIT
from support.metrics import Scrape
from support.server import StartServer
from support.workers import workers

LIMIT = 120


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    code = """
import resource
from syncline_server.config.file_limit import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 128))
raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "(128, 128)\n"


def test_every_process_has_it(fresh_server: StartServer) -> None:
    server = fresh_server("--workers=2")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for process in [server.process.pid, *workers(server)]:
        soft, _ = psutil.Process(process).rlimit(psutil.RLIMIT_NOFILE)
        assert soft == min(hard, 1_048_576) or hard == resource.RLIM_INFINITY


def test_refusals_near_the_limit(fresh_server: StartServer) -> None:
    server = fresh_server(open_files=LIMIT)
    with ExitStack() as opened:
        replies = []
        for _ in range(LIMIT + 20):
            connection = opened.enter_context(
                socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_LIMIT)
            )
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            replies.append(connection.recv(100))
        assert replies[0].startswith(b"HTTP/1.1 200")
        assert replies[-1].startswith(b"HTTP/1.1 503")
    refused = sum(reply.startswith(b"HTTP/1.1 503") for reply in replies)
    # The server notices one after the other that the connections are closed; until then, it may
    # refuse any request.
    while (reply := httpx2.get(f"{server.url}/metrics")).status_code == 503:
        refused += 1
    assert Scrape(reply.text).value("syncline_file_limit_refusals_total") == refused > 20
    lines = re.findall(r"127.0.0.1:\d+ was refused, .*", server.log.read_text())
    assert 1 <= len(lines) < 5
    assert f"the limit of {LIMIT} open files is reached" in lines[0]
