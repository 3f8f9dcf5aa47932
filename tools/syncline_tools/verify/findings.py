"""What a check says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

__all__ = ["Check", "Finding"]

FINDINGS_LIMIT = 20
"""Findings of one check that are kept; more say nothing new."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A promise that was broken once.

    Attributes:
        text: a sentence for people.
        document, client: which, where it is one.
        at: when, in the seconds of the history; None where it is about the whole run.
        is_doubt: True where the verifying process ran too late itself to judge it.
    """

    text: str
    document: str | None = None
    client: str | None = None
    at: float | None = None
    is_doubt: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, checked against a history.

    Attributes:
        name: one word.
        promise: a sentence.
        examined: how many things were looked at; `unit` says of what.
        is_promise: False where findings only say that the run could not show what it should.
        findings: at most as many as are useful to a reader; none means that the promise was kept.
    """

    name: str
    promise: str
    examined: int
    unit: str
    findings: tuple[Finding, ...] = field(default=())
    is_promise: bool = True

    @classmethod
    def of(
        cls, name: str, promise: str, *, examined: int, unit: str, findings: Iterable[Finding]
    ) -> Check:
        """A check with the first of the findings, doubts last."""
        ordered = sorted(findings, key=lambda finding: finding.is_doubt)
        return cls(
            name=name,
            promise=promise,
            examined=examined,
            unit=unit,
            findings=tuple(ordered[:FINDINGS_LIMIT]),
        )

    @property
    def broken(self) -> bool:
        """True if a promise was broken."""
        return self.is_promise and not all(finding.is_doubt for finding in self.findings)
