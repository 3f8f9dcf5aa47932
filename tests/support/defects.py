"""Defects of the server's scripts, each of which breaks a promise about items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BATCH_HALF_APPLIED",
    "CONDITION_IGNORED",
    "INDEX_USED_TWICE",
    "REPLAY_MISSES_A_CHANGE",
    "REVISION_REUSED",
    "Defect",
]

DEFECTIVE = Path(__file__).with_name("defective")


@dataclass(frozen=True, slots=True)
class Defect:
    """A Lua script that is not as it should be.

    Attributes:
        script: name of its file.
        pairs: texts in it, and what is in their place.
    """

    script: str
    pairs: Sequence[tuple[str, str]]

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a process that has the defect."""
        return {
            "PYTHONPATH": str(DEFECTIVE),
            "DEFECT": json.dumps([self.script, *self.pairs]),
        }


CONDITION_IGNORED = Defect(
    "item.lua", [("condition ~= (live and live.revision or -1)", "now() % 4 == -1")]
)

INDEX_USED_TWICE = Defect(
    "item.lua",
    [
        ("counts.next_index = counts.next_index + 1", "counts.next_index = now() % 4"),
        ("live and verb == 'add'", "live and verb == 'add' and not arguments.index_format"),
    ],
)

BATCH_HALF_APPLIED = Defect(
    "collection.lua",
    [
        (
            "for _, write in ipairs(writes) do\n    local stored",
            "for n, write in ipairs(writes) do\n    if n > 1 and n == #writes then break end\n"
            "    local stored",
        )
    ],
)

REVISION_REUSED = Defect(
    "collection.lua",
    [("item.revision = last - #changes + index", "item.revision = last - #changes + 1")],
)

REPLAY_MISSES_A_CHANGE = Defect(
    "replay.lua", [("if is_sent then", "if is_sent and at % 2 == 1 then")]
)
