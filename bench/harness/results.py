"""Writes the results of each measure as a JSON file and a chart."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .bench import Bench
from .outcome import Outcome, Spread
from .redis import redis_version

__all__ = ["circumstances", "save"]


def save(directory: Path, name: str, outcomes: Sequence[Outcome], about: Mapping[str, Any]) -> None:
    """Write NAME.json and NAME.png; they replace those of an earlier run."""
    directory.mkdir(exist_ok=True)
    body = {**about, "outcomes": [_body(outcome) for outcome in outcomes]}
    text = json.dumps(body, indent=1, ensure_ascii=False)
    (directory / f"{name}.json").write_text(f"{text}\n")
    # Here, because only a run of the bench needs the library that draws.
    from .plots import draw

    draw(directory / f"{name}.png", outcomes)


def circumstances(bench: Bench) -> dict[str, Any]:
    """Date, machine, settings and versions of the run."""
    return {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {
            "processors": os.cpu_count(),
            "system": f"{platform.system()} {platform.release()} {platform.machine()}",
            "load": [round(load, 2) for load in os.getloadavg()],
        },
        "rounds": bench.rounds,
        "seconds": bench.seconds,
        "appendfsync": bench.appendfsync,
        "redis": redis_version(),
        "versions": {target.name: target.versions() for target in bench.targets},
    }


def _body(outcome: Outcome) -> dict[str, Any]:
    return {
        "measure": outcome.measure,
        "figure": outcome.figure,
        "base": outcome.base,
        "contenders": {
            name: {
                "rounds": values,
                "spread": _spread(outcome.spread(name)),
                "ratio": _spread(outcome.ratio(name)),
                "remark": outcome.remarks.get(name),
            }
            for name, values in outcome.samples.items()
        },
        "goals": [
            {"contender": goal.contender, "text": goal.text, "reached": outcome.reached(goal)}
            for goal in outcome.goals
        ],
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else asdict(spread)
