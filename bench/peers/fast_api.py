"""REST as users of FastAPI write it: a pydantic model, dependencies, redis-py, and one EVALSHA."""

from __future__ import annotations

from bench.harness.target import Command, Site, Target

from .python import python_command, python_versions

__all__ = ["TARGET"]


class _FastApi(Target):
    name = "FastAPI, REST"
    rest = True

    def versions(self) -> dict[str, str]:
        return python_versions(
            "fastapi", "pydantic", "starlette", "uvicorn", "httptools", "uvloop", "redis", "hiredis"
        )

    def command(self, site: Site) -> Command:
        return python_command("fast_api_rest", site.port, site.redis)

    def subscriber(self, site: Site) -> list[str]:
        return []

    def writer(self, site: Site) -> list[str]:
        return [
            *("speak http", "verb POST", "path /v1/Services/default/Documents/bench-{doc}"),
            # user:password
            "header Authorization: Basic dXNlcjpwYXNzd29yZA==",
            "header Content-Type: application/json",
            'publish {"data":{"text":"{text}"}}',
            "ack 200 OK",
        ]


TARGET = _FastApi()
