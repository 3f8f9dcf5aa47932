"""Base class of targets: how to start a server, and what its clients send."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Command", "Missing", "Site", "Target"]


class Missing(Exception):
    """A target cannot run on this machine; the text is one line with the reason."""


@dataclass(frozen=True)
class Site:
    """Port, Redis and directory of a target.

    Attributes:
        port: port to listen on, on 127.0.0.1; the eight ports after it are free too.
        redis: URL of a Redis that is empty at the start.
        directory: directory of the target, empty at the start.
        documents: number of documents; scripts name them by five digits, from 00000.
    """

    port: int
    redis: str
    directory: Path
    documents: int


@dataclass(frozen=True)
class Command:
    """Command that starts a process.

    Attributes:
        environment: variables to set in addition to the inherited ones.
        directory: working directory; None is the current one.
    """

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path | None = None


class Target:
    """A server to measure; subclasses set the name and implement the methods.

    Attributes:
        name: name in the tables.
        persistent: True if the server stores an event before it delivers it.
    """

    name: str
    persistent = False

    def versions(self) -> dict[str, str]:
        """Versions of the software of the target; raises `Missing`."""
        raise NotImplementedError

    def command(self, site: Site) -> Command:
        """Command of the server process; may write files into the site's directory.

        The server is ready when it accepts connections. The CPU time of the process and of its
        children, except Redis, is measured.
        """
        raise NotImplementedError

    def prepare(self, site: Site) -> None:
        """Prepare the server for clients; called when it is ready."""

    def subscriber(self, site: Site) -> list[str]:
        """Lines of a load script: handshake and steps of a subscriber."""
        raise NotImplementedError

    def arrivals(self, site: Site, count: int) -> list[str]:
        """As `subscriber`; if clients present tokens, each of `count` has a new one of its own."""
        return self.subscriber(site)

    def writer(self, site: Site) -> list[str]:
        """Lines of a load script: handshake and steps of a writer, and the message it publishes."""
        raise NotImplementedError
