"""Centrifugo with its Redis engine, with and without history; `make bench` builds it."""

from __future__ import annotations

import json
import re
import subprocess

from bench.harness.target import Command, Missing, Site, Target
from bench.harness.tokens import make_tokens

from .places import BUILD

__all__ = ["TARGETS"]

BINARY = BUILD / "centrifugo"
MODULE = "github.com/centrifugal/centrifugo/v6"
CONNECTED = 'expect {"id":1,"connect"'
HANDSHAKE = [
    "path /connection/websocket",
    'fatal "error"',
]
ANONYMOUS = [*HANDSHAKE, 'send {"id":1,"connect":{}}', CONNECTED]
WITH_TOKEN = [*HANDSHAKE, 'send {"id":1,"connect":{"token":"{token}"}}', CONNECTED]
SUBSCRIPTION = [
    "for-each",
    'send {"id":2,"subscribe":{"channel":"{doc}"}}',
    'expect {"id":2,"subscribe"',
    "done",
]
SECRET = "a" * 64
"""Signs the tokens; its length is that of Syncline's."""

PERMISSIONS = {
    "allow_subscribe_for_client": True,
    "allow_subscribe_for_anonymous": True,
    "allow_publish_for_client": True,
    "allow_publish_for_anonymous": True,
}
PING_INTERVAL = "600s"
"""Longer than a run: a ping may share a frame with an event, and the load client would miss it."""

HISTORY = {"history_size": 100, "history_ttl": "300s", "force_recovery": True}


class _Centrifugo(Target):
    def __init__(self, *, history: bool) -> None:
        self.name = "Centrifugo with history" if history else "Centrifugo"
        self.persistent = history
        self._channel = {**PERMISSIONS, **(HISTORY if history else {})}

    def versions(self) -> dict[str, str]:
        if not BINARY.exists():
            raise Missing(f"{BINARY} is not there: it needs a Go toolchain")
        version_line = subprocess.run(
            ["go", "version", "-m", str(BINARY)], capture_output=True, text=True
        )
        [version] = re.findall(rf"\t{MODULE}\t(v\S+)", version_line.stdout)
        return {"centrifugo": version.removeprefix("v")}

    def command(self, site: Site) -> Command:
        file = site.directory / "config.json"
        file.write_text(json.dumps(self._configuration(site)))
        return Command([str(BINARY), "--config", str(file)])

    def subscriber(self, site: Site) -> list[str]:
        return [*ANONYMOUS, *SUBSCRIPTION]

    def arrivals(self, site: Site, count: int) -> list[str]:
        tokens = make_tokens(SECRET, count, lambda identity: {"sub": identity})
        return [f"list token n {' '.join(tokens)}", *WITH_TOKEN, *SUBSCRIPTION]

    def writer(self, site: Site) -> list[str]:
        publish = '{"channel":"{doc}","data":{"text":"{text}"}}'
        return [*ANONYMOUS, f'publish {{"id":{{id}},"publish":{publish}}}']

    def _configuration(self, site: Site) -> dict[str, object]:
        return {
            "http_server": {"address": "127.0.0.1", "port": site.port},
            "log": {"level": "warn"},
            "client": {
                "allow_anonymous_connect_without_token": True,
                "ping_interval": PING_INTERVAL,
                "token": {"hmac_secret_key": SECRET},
            },
            "engine": {"type": "redis", "redis": {"address": site.redis}},
            "channel": {"without_namespace": self._channel},
        }


TARGETS = (_Centrifugo(history=False), _Centrifugo(history=True))
