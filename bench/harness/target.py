"""What is measured: a server that runs as one process, and how a client of it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Command", "Missing", "Site", "Target"]


class Missing(Exception):
    """A target cannot run here; the text is one line that says why."""


@dataclass(frozen=True)
class Site:
    """Where a target runs.

    Attributes:
        port: to listen on, on 127.0.0.1; the eight after it are free too.
        redis: URL of a Redis that is empty at the start.
        directory: empty at the start, and the target's own.
        documents: how many there are; scripts name them by five digits, from 00000.
    """

    port: int
    redis: str
    directory: Path
    documents: int


@dataclass(frozen=True)
class Command:
    """How a process is started.

    Attributes:
        environment: variables besides those that there are.
        directory: to start it in; None is the current one.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


class Target:
    """A server. A subclass gives it a name and fills in the methods.

    Attributes:
        name: what tables call it.
        persistent: True where an event is stored before it is delivered.
    """

    name: str
    persistent = False

    def versions(self) -> dict[str, str]:
        """The versions of what it is made of; raises `Missing`."""
        raise NotImplementedError

    def command(self, site: Site) -> Command:
        """Its one process, whose time counts, with that of its children but for Redis.

        It is ready when it accepts connections. Writes what it needs into the site's directory.
        """
        raise NotImplementedError

    def prepare(self, site: Site) -> None:
        """Bring it to where clients may come; called once it is ready."""

    def subscriber(self, site: Site) -> list[str]:
        """Lines of a load script's group: handshake and steps of a subscriber."""
        raise NotImplementedError

    def writer(self, site: Site) -> list[str]:
        """The same for a writer, and what it publishes."""
        raise NotImplementedError
