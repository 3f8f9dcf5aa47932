"""Defects of the server, each of which breaks a promise about items."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "BATCH_HALF_APPLIED",
    "CONDITION_IGNORED",
    "DELTA_BASES_SKIPPED",
    "DELTAS_OF_OTHER_DATA",
    "DELTAS_UNLIKE_DIGEST",
    "EVENTS_OUT_OF_ORDER",
    "EVENT_BEFORE_REPLY",
    "EVENT_DROPPED_FOR_ONE",
    "INDEX_USED_TWICE",
    "PART_NOT_NARROWED",
    "REPLAY_MISSES_A_CHANGE",
    "REVISION_REUSED",
    "Defect",
]

DEFECTIVE = Path(__file__).with_name("defective")


@dataclass(frozen=True, slots=True)
class Defect:
    """A Lua script, or a module, that is not as it should be.

    Attributes:
        file: its name.
        pairs: texts in it, and what is in their place.
    """

    file: str
    pairs: Sequence[tuple[str, str]]

    @property
    def environ(self) -> dict[str, str]:
        """The environment of a process that has the defect."""
        return {
            "PYTHONPATH": str(DEFECTIVE),
            "DEFECT": json.dumps([self.file, *self.pairs]),
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

_WRITE = "self._cork.write_to_all(outlets, frame)"

EVENT_DROPPED_FOR_ONE = Defect(
    "hub.py",
    [
        (
            _WRITE,
            "last = dict(list(outlets.items())[: -1 if event.revision % 4 == 0 else None])\n"
            "            self._cork.write_to_all(last, frame)",
        )
    ],
)
"""Of one event in four, the subscriber that came last receives nothing."""

EVENTS_OUT_OF_ORDER = Defect(
    "hub.py",
    [
        ("class Hub:", "DELAYED = {}\n\n\nclass Hub:"),
        (
            _WRITE,
            "waiting = DELAYED.setdefault(id(form), [])\n"
            "            waiting.append((dict(outlets), frame))\n"
            "            for each in waiting[::-1] if len(waiting) > 1 else ():\n"
            "                self._cork.write_to_all(*each)\n"
            "            del waiting[len(waiting) % 2 :]",
        ),
    ],
)
"""Of two events, the second is sent first."""

EVENT_BEFORE_REPLY = Defect(
    "blocked_events.py",
    [("return (\n            bool(self.writing_keys)", "return False and (\n            bool(1)")],
)

PART_NOT_NARROWED = Defect(
    "event_sender.py",
    [
        (
            "event.narrowed(subscription.has)\n            if narrowed is None",
            "event.narrowed(lambda key: True)\n            if narrowed is None",
        ),
        (
            "event.narrowed(subscription.has)\n            if narrowed is not None",
            "event.narrowed(lambda key: True)\n            if narrowed is not None",
        ),
    ],
)
"""A subscriber of a part receives all of a batch that has an item of the part."""


def _wrong_bases(delta: str) -> Defect:
    """`delta`: what each base returns as the delta to `data`."""
    return Defect(
        "delta_bases.py",
        [
            (
                "class DeltaBases:",
                "class WrongBase(Base):\n"
                "    def delta_to(self, data):\n"
                "        right = super().delta_to(data)\n"
                "        other = Base(self.data, lambda _: None)\n"
                "        wrong = other.delta_to(data.replace(b'\"w\":', b'\"w\":1'))\n"
                f"        return {delta}\n\n\n"
                "class DeltaBases:",
            ),
            ("base = Base(", "base = WrongBase("),
        ],
    )


DELTAS_OF_OTHER_DATA = _wrong_bases("wrong")
"""Deltas, and their digests, are of data that nobody wrote."""

DELTAS_UNLIKE_DIGEST = _wrong_bases(
    "right and wrong and type(right)(wrong.operations, right.digest)"
)
"""Deltas lead to data that nobody wrote, and their digests are of the right data."""

DELTA_BASES_SKIPPED = Defect(
    "delta_bases.py",
    [
        ("and state.base in (None, known.revision)", "and True"),
        (
            "self.remember_base(event.sid, state.revision,",
            "state.revision % 2 and self.remember_base(event.sid, state.revision,",
        ),
    ],
)
"""Every other state is not kept: the next delta begins from an older one than subscribers have."""
