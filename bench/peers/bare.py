"""Baseline of the REST measure: Starlette on uvicorn with one EVALSHA for each POST."""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .python import python_command, python_versions

__all__ = ["TARGET"]


class _Bare(Target):
    name = "bare Starlette, REST"
    rest = True

    def versions(self) -> dict[str, str]:
        return python_versions("starlette", "uvicorn", "httptools", "uvloop", "redis", "hiredis")

    def command(self, site: Site) -> Command:
        return python_command("bare_rest", site.port, site.redis)

    def subscriber(self, site: Site) -> list[str]:
        return []

    def writer(self, site: Site) -> list[str]:
        return [
            *("speak http", "verb POST", "path /v1/Services/default/Documents/bench-{doc}"),
            "header Content-Type: application/x-www-form-urlencoded",
            'publish Data={"text":"{text}"}',
            "ack 200 OK",
        ]


TARGET = _Bare()
