"""History in, verdict out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from syncline import JsonObject

from .checks_events import check_converged, check_order, check_removals, check_replies
from .checks_run import check_effect, check_expiry
from .checks_writes import check_counters, check_kept, check_revisions
from .evidence import Evidence
from .figures import Figures
from .findings import Check
from .records import Record
from .sightings import Sightings

__all__ = ["Verdict", "judge"]

_CHECKS = (
    check_kept,
    check_counters,
    check_revisions,
    check_order,
    check_replies,
    check_converged,
    check_removals,
    check_expiry,
    check_effect,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the promises in one run.

    Attributes:
        sightings: by client.
    """

    evidence: Evidence
    checks: tuple[Check, ...]
    figures: Figures
    sightings: dict[str, Sightings]

    @property
    def green(self) -> bool:
        """True if no promise was broken."""
        return not any(check.findings for check in self.checks)

    @property
    def body(self) -> JsonObject:
        """All but the evidence, as JSON has it."""
        started = self.evidence.started
        return {
            "verdict": "green" if self.green else "red",
            "run": None if started is None else asdict(started),
            "checks": [asdict(check) for check in self.checks],
            "figures": asdict(self.figures),
        }


def judge(history: Iterable[Record]) -> Verdict:
    """Hold a history against every promise."""
    evidence = Evidence.of(history)
    sightings = {client: Sightings.of(evidence, client) for client in evidence.wires}
    return Verdict(
        evidence,
        tuple(check(evidence) for check in _CHECKS),
        Figures.of(evidence, sightings),
        sightings,
    )
