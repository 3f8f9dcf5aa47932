"""ShareDB over ws with Redis pub/sub, JSON operations and its in-memory database.

Its examples use this database; so the benchmark needs no MongoDB or PostgreSQL, with which ShareDB
would be slower. It counts as persistent nevertheless.
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
        # No base version in the operation: several may be in flight at once.
        change = '"seq":{id},"x":{},"op":[{"p":["text"],"oi":"{text}"}]'
        publish = f'publish {{"a":"op","c":"bench","d":"{{doc}}",{change}}}'
        return [*HANDSHAKE, publish, 'fatal "error"']


TARGET = _ShareDB()
