"""socketify: uWebSockets from Python, the fastest WebSocket server that Python programs can use.

It publishes within its process and stores nothing. With confirmations, each subscriber answers each
event by a message, as the clients of a protocol with acknowledgements do.
"""

from __future__ import annotations

import subprocess
import sys

from bench.harness.target import Command, Missing, Site, Target

from .python import python_command, python_versions

__all__ = ["TARGETS"]


class _Socketify(Target):
    def __init__(self, *, confirming: bool) -> None:
        self.name = "socketify, confirming" if confirming else "socketify"
        self._confirms = ['confirm "write" -> ok'] if confirming else []

    def versions(self) -> dict[str, str]:
        versions = python_versions("socketify")
        # Its compiled part needs libuv, and is there for x86-64 alone on Linux.
        tried = subprocess.run(
            [sys.executable, "-c", "import socketify"], capture_output=True, text=True
        )
        if tried.returncode != 0:
            reason = tried.stderr.strip().rpartition("\n")[2]
            raise Missing(f"it cannot be imported: {reason}")
        return versions

    def command(self, site: Site) -> Command:
        return python_command("socketify_server", site.port)

    def subscriber(self, site: Site) -> list[str]:
        follow = ['send {"follow":"{doc}"}', 'expect {"follow":"{doc}"']
        return ["path /", "for-each", *follow, "done", *self._confirms]

    def writer(self, site: Site) -> list[str]:
        return ["path /", 'publish {"write":"{doc}","data":{"text":"{text}"}}']


TARGETS = (_Socketify(confirming=False), _Socketify(confirming=True))
