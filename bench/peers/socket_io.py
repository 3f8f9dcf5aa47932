"""Socket.IO with its Redis adapter, over WebSocket only; rooms for documents, nothing stored."""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .node import node_command, node_versions

__all__ = ["TARGET", "SocketIO"]

HANDSHAKE = [
    "path /socket.io/?EIO=4&transport=websocket",
    "reply-exact 2 -> 3",
    "expect 0{",
    "send 40",
    "expect 40{",
]


class SocketIO(Target):
    """Base of the Socket.IO servers: what their clients send."""

    def subscriber(self, site: Site) -> list[str]:
        follow = ['send 421["follow","{doc}"]', "expect 431["]
        return [*HANDSHAKE, "for-each", *follow, "done"]

    def writer(self, site: Site) -> list[str]:
        return [*HANDSHAKE, 'publish 42{id}["write","{doc}",{"text":"{text}"}]', "ack-id 43"]


class _NodeSocketIO(SocketIO):
    name = "Socket.IO"

    def versions(self) -> dict[str, str]:
        return node_versions("socket.io", "@socket.io/redis-adapter", "ws")

    def command(self, site: Site) -> Command:
        return node_command("socket_io.js", site.port, site.redis)


TARGET = _NodeSocketIO()
