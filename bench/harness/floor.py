"""The floor: a C program that calls send() once for each frame, the baseline of all ratios."""

from __future__ import annotations

from .load import BUILD
from .target import Command, Site, Target

__all__ = ["Floor"]

EVENT = (
    '{"event":"updated","document":{"sid":"ET0123456789abcdef0123456789abcdef",'
    '"unique_name":"bench-{doc}","revision":"1806543210987654",'
    '"previous_revision":"1806543210987653","data":{"text":"{text}"},'
    '"date_updated":"2026-01-31T08:15:30.123Z","date_expires":null,"updated_by":"bench"}}'
)
"""An event with the size of one of the native protocol."""


class Floor(Target):
    """A server that only passes WebSocket frames on and stores nothing."""

    name = "C floor"

    def versions(self) -> dict[str, str]:
        return {}

    def command(self, site: Site) -> Command:
        return Command([str(BUILD / "floor"), str(site.port)])

    def subscriber(self, site: Site) -> list[str]:
        return ["for-each", "send sub {doc}", "expect ok", "done"]

    def writer(self, site: Site) -> list[str]:
        return [f"publish pub {{doc}} {EVENT}"]
