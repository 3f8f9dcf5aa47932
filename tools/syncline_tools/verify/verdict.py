"""History in, verdict out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum

from syncline import JsonObject

from .checks_contention import check_conditions, check_repeats, check_turns
from .checks_delivery import check_complete, check_fresh
from .checks_events import check_converged, check_order, check_removals, check_replies
from .checks_run import check_clocks, check_commands, check_effect, check_expiry
from .checks_writes import check_counters, check_kept, check_revisions
from .evidence import Evidence
from .figures import Figures
from .findings import Check
from .items.checks import item_checks
from .items.sightings import sightings_of_items
from .records import Record
from .sightings import Sightings

__all__ = ["Conclusion", "Verdict", "judge"]

_ON_DOCUMENTS = (
    check_kept,
    check_counters,
    check_revisions,
    check_conditions,
    check_repeats,
    check_order,
    check_complete,
    check_fresh,
    check_replies,
    check_converged,
    check_removals,
    check_expiry,
    check_turns,
    check_clocks,
)


class Conclusion(StrEnum):
    """Of a run."""

    GREEN = "green"
    """Everything was put to the test, and every promise was kept."""

    RED = "red"
    """A promise was broken."""

    INCONCLUSIVE = "inconclusive"
    """No promise was broken as far as the run shows, and it does not show enough."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the promises in one run.

    Attributes:
        sightings: by client, of documents and of items.
    """

    evidence: Evidence
    checks: tuple[Check, ...]
    figures: Figures
    sightings: dict[str, Sightings]

    @property
    def conclusion(self) -> Conclusion:
        """All checks together."""
        if any(check.broken for check in self.checks):
            return Conclusion.RED
        if any(check.findings for check in self.checks):
            return Conclusion.INCONCLUSIVE
        return Conclusion.GREEN

    @property
    def green(self) -> bool:
        """True if every promise was put to the test, and kept."""
        return self.conclusion is Conclusion.GREEN

    @property
    def command_failed(self) -> bool:
        """True if one of the user's commands failed."""
        return any(check.name == "commands" and check.findings for check in self.checks)

    @property
    def body(self) -> JsonObject:
        """All but the evidence, as JSON has it."""
        started = self.evidence.started
        return {
            "verdict": self.conclusion.value,
            "run": None if started is None else asdict(started),
            "checks": [asdict(check) for check in self.checks],
            "figures": asdict(self.figures),
        }


def judge(history: Iterable[Record]) -> Verdict:
    """Hold a history against every promise."""
    evidence = Evidence.of(history)
    sightings = {client: Sightings.of(evidence, client) for client in evidence.wires}
    sightings |= sightings_of_items(evidence)
    checks = [check(evidence) for check in _ON_DOCUMENTS] if _has_documents(evidence) else []
    checks += [*item_checks(evidence), check_commands(evidence)]
    return Verdict(
        evidence,
        (*checks, check_effect(evidence, checks)),
        Figures.of(evidence, sightings),
        sightings,
    )


def _has_documents(evidence: Evidence) -> bool:
    """False of a run about lists, maps and streams alone."""
    return bool(evidence.wires) or not evidence.items.wires
