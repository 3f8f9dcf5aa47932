"""Peers whose clients can contend for one document, and the programs of these clients."""

from __future__ import annotations

from dataclasses import dataclass

from bench.harness.target import Command, Site, Target

from . import deepstream, sharedb
from .node import node_command

__all__ = ["CONTENDERS", "Contender"]


@dataclass(frozen=True)
class Contender:
    """A peer and the program of its clients."""

    target: Target
    program: str

    def command(self, site: Site, clients: int, seconds: float) -> Command:
        """The command of clients, as `bench.harness.contending` runs it.

        Raises:
            Missing: Node is not installed.
        """
        return node_command(self.program, site.port, clients, seconds)


CONTENDERS = (
    Contender(sharedb.TARGET, "contend_sharedb.js"),
    Contender(deepstream.IN_MEMORY, "contend_deepstream.js"),
)
