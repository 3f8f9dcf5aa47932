"""Socket.IO with its Redis adapter, over WebSocket only; rooms for documents, nothing stored."""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .node import node_command, node_versions

__all__ = ["TARGETS", "SocketIO"]

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
    def __init__(self, *, confirming: bool) -> None:
        self.name = "Socket.IO, confirming" if confirming else "Socket.IO"
        self._confirming = confirming

    def versions(self) -> dict[str, str]:
        return node_versions("socket.io", "@socket.io/redis-adapter", "ws")

    def command(self, site: Site) -> Command:
        mode = ["confirming"] if self._confirming else []
        return node_command("socket_io.js", site.port, site.redis, *mode)

    def subscriber(self, site: Site) -> list[str]:
        # The number of an event, and the bracket after it, stand before its name.
        confirm = ["confirm 42 -> 43{word}]"] if self._confirming else []
        return [*super().subscriber(site), *confirm]


TARGETS = (_NodeSocketIO(confirming=False), _NodeSocketIO(confirming=True))
