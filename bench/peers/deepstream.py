"""deepstream over its binary protocol, with records in Redis (cache connector) or in memory.

It uses the default HTTP server, of Node; the alternative, uWebSockets.js, is not installed.
If two writes to a record arrive in one turn of the event loop, the connector loses one of them: it
is not delivered, and the record may then accept no more writes. Contention is therefore measured
with records in deepstream's memory.
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from bench.harness.target import Command, Site, Target
from redis import Redis

from .node import node_command, node_versions
from .places import MODULES

__all__ = ["IN_MEMORY", "TARGET"]

# Messages of its protocol begin with length and topic (2: connection, 3: authentication,
# 5: record).
HANDSHAKE = [
    "path /deepstream",
    "frame binary",
    r"send \x1a\x10\x02\x1a\x16\x08\x05*\x01x2\x040.1a:\x057.0.5B\x02js",
    r"expect \x10\x02\x1a\x02\x08\x04",
    r"send \n\x10\x03\x1a\x06\x08\x02\x12\x02{}",
    r"expect \x10\x03\x1a",
]
SUBSCRIBE = r"send \x10\x10\x05\x1a\x0c\x08\x17\x1a\x010:\x05{doc}"
SUBSCRIBED = 'expect {"text":""}'
SET = (
    r'publish \xe4\x01\x10\x05\x1a\xdf\x01\x08\x10\x12\xc8\x01{"text":"{text}"}2\x05{doc}'
    r"h\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
)
"""Create or update; version -1 stands for the next version."""

PERMISSIONS = {
    "record": {"*": dict.fromkeys(("create", "write", "read", "delete", "listen", "notify"), True)},
    "event": {"*": dict.fromkeys(("publish", "subscribe", "listen"), True)},
    "rpc": {"*": dict.fromkeys(("provide", "request"), True)},
    "presence": {"*": {"allow": True}},
}
"""The permissions of deepstream's default configuration."""

HEARTBEAT = 600_000
"""Milliseconds; longer than a run, because the load client sends no pings."""


class _Deepstream(Target):
    def __init__(self, *, redis: bool) -> None:
        self.name = "deepstream" if redis else "deepstream in memory"
        self.persistent = redis

    def versions(self) -> dict[str, str]:
        packages = ["@deepstream/server", *(["@deepstream/cache-redis"] if self.persistent else [])]
        return node_versions(*packages)

    def command(self, site: Site) -> Command:
        file = site.directory / "config.json"
        file.write_text(json.dumps(self._configuration(site)))
        program = "@deepstream/server/dist/bin/deepstream.js"
        return node_command(program, "start", "--config", file)

    def prepare(self, site: Site) -> None:
        """Write the records into Redis in deepstream's format.

        If subscribers create a record at the same time, deepstream loses some of them.
        """
        with Redis.from_url(site.redis) as redis:
            for number in range(site.documents):
                name = f"{number:05}"
                redis.mset({f"{name}_v": 1, f"{name}_d": '{"text":""}'})

    def subscriber(self, site: Site) -> list[str]:
        return [*HANDSHAKE, "for-each", SUBSCRIBE, SUBSCRIBED, "done"]

    def writer(self, site: Site) -> list[str]:
        return [*HANDSHAKE, SET]

    def _configuration(self, site: Site) -> dict[str, object]:
        return {
            "showLogo": False,
            "logger": {"type": "default", "options": {"colors": False, "logLevel": "ERROR"}},
            "httpServer": {
                "type": "default",
                "options": {"host": "127.0.0.1", "port": site.port, "allowAllOrigins": True},
            },
            "connectionEndpoints": [
                {"type": kind, "options": {"urlPath": path, "heartbeatInterval": HEARTBEAT}}
                for kind, path in (("ws-binary", "/deepstream"), ("ws-json", "/deepstream-json"))
            ],
            **(_redis_cache(site) if self.persistent else {}),
            "auth": [{"type": "none"}],
            "permission": {"type": "config", "options": {"permissions": PERMISSIONS}},
        }


def _redis_cache(site: Site) -> dict[str, object]:
    redis = urlsplit(site.redis)
    return {
        "cache": {
            "path": str(MODULES / "@deepstream/cache-redis"),
            "options": {"host": redis.hostname, "port": redis.port},
        }
    }


TARGET = _Deepstream(redis=True)
IN_MEMORY = _Deepstream(redis=False)
