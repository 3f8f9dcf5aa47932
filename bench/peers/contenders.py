"""Peers whose clients can contend for one document, and the programs of these clients."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass

from bench.harness.target import Site, Target

from . import deepstream, sharedb
from .node import node_command

__all__ = ["CONTENDERS", "Contender"]


@dataclass(frozen=True)
class Contender:
    """A peer and the program of its clients."""

    target: Target
    program: str

    def contend(self, site: Site, clients: int, seconds: float) -> dict[str, float]:
        """Let `clients` clients change one document repeatedly for `seconds`.

        Returns:
            `commits`, `attempts`, `seconds`; `mean_wait` and `longest_wait` of one client for one
            change, in seconds; `value`, the number of changes that the document shows.

        Raises:
            Missing: Node is not installed.
            RuntimeError: the program failed; the text is the last line of its stderr.
        """
        command = node_command(self.program, site.port, clients, seconds)
        done = subprocess.run(command.argv, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip().rpartition("\n")[2])
        figures: dict[str, float] = json.loads(done.stdout)
        return figures


CONTENDERS = (
    Contender(sharedb.TARGET, "contend_sharedb.js"),
    Contender(deepstream.IN_MEMORY, "contend_deepstream.js"),
)
