"""A hand-written fan-out with Starlette on uvicorn: Redis pub/sub and a loop of `send_text`."""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .python import python_command, python_versions

__all__ = ["TARGET"]


class _PlainStarlette(Target):
    name = "Starlette"

    def versions(self) -> dict[str, str]:
        return python_versions("starlette", "uvicorn", "websockets", "redis")

    def command(self, site: Site) -> Command:
        return python_command("plain_starlette", site.port, site.redis)

    def subscriber(self, site: Site) -> list[str]:
        follow = ['send {"follow":"{doc}"}', 'expect {"follow":"{doc}"']
        return ["path /ws", "for-each", *follow, "done"]

    def writer(self, site: Site) -> list[str]:
        return ["path /ws", 'publish {"write":"{doc}","data":{"text":"{text}"}}']


TARGET = _PlainStarlette()
