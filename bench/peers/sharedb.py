"""ShareDB over ws with Redis pub/sub and JSON operations; its database is the one in memory.

That is what its examples start with, so that no MongoDB or PostgreSQL is needed beside the bench.
With one of them it would be slower; it counts as persistent all the same.
"""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .node import node_command, node_versions

__all__ = ["TARGET"]

HANDSHAKE = [
    'send {"a":"hs","id":null,"protocol":1,"protocolMinor":2}',
    'expect {"a":"hs"',
]


class _ShareDB(Target):
    name = "ShareDB"
    persistent = True

    def versions(self) -> dict[str, str]:
        versions = node_versions("sharedb", "sharedb-redis-pubsub", "ws")
        return {**versions, "database": "in memory"}

    def command(self, site: Site) -> Command:
        return node_command("sharedb.js", site.port, site.redis, site.documents)

    def subscriber(self, site: Site) -> list[str]:
        subscribe = ['send {"a":"s","c":"bench","d":"{doc}"}', 'expect "d":"{doc}"']
        return [*HANDSHAKE, "for-each", *subscribe, "done"]

    def writer(self, site: Site) -> list[str]:
        # Without the version that it is based on: several may be on their way at once.
        change = '"seq":{id},"x":{},"op":[{"p":["text"],"oi":"{text}"}]'
        publish = f'publish {{"a":"op","c":"bench","d":"{{doc}}",{change}}}'
        return [*HANDSHAKE, publish, 'fatal "error"']


TARGET = _ShareDB()
