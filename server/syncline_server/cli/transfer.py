"""The loop of an import: reads batches from a source, uploads them and records the progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .carrier import Carried, Carrier, Outcome
from .output import show_line
from .progress import Progress
from .sources import Source, StalePosition
from .state import State

__all__ = ["Transfer"]


@dataclass(frozen=True, slots=True)
class Transfer:
    """Copies all documents of a source.

    Attributes:
        verbose: True prints a line for each document.
    """

    source: Source
    carrier: Carrier
    state: State
    progress: Progress
    verbose: bool

    def run(self) -> Mapping[str, int]:
        """Copy the documents after the position in `state` of an interrupted run, or all of them.

        Returns:
            number of documents with each `Outcome`, those of the interrupted run included.
        """
        position = self.state.position
        try:
            counts = self._carry_all(position)
        except StalePosition:
            self.progress.tell("the source has changed; beginning again")
            counts = self._carry_all(None)
        # The import is complete: the next run starts at the beginning, to find what is new.
        self.state.begin()
        return {outcome.value: counts[outcome] for outcome in Outcome}

    def _carry_all(self, position: str | None) -> Counter[str]:
        counts = Counter[str]() if position is None else self.state.counts
        for batch in self.source.batches(position):
            for carried in self.carrier.carry(batch.documents):
                counts[carried.outcome.value] += 1
                self._tell(carried)
            # Only when every document of the batch has its result: a run that is killed before
            # repeats the batch, and never skips a document.
            self.state.advance(batch.position, counts)
            self.progress.advance(len(batch.documents), batch.size)
        return counts

    def _tell(self, carried: Carried) -> None:
        document = carried.document
        if carried.outcome is Outcome.FAILED:
            self.progress.tell(f"{document.label}: {carried.reason}")
        if self.verbose:
            show_line(
                {
                    "document": document.label,
                    "sid": document.sid,
                    "unique_name": document.unique_name,
                    "outcome": carried.outcome,
                    "target_sid": carried.target_sid,
                    "reason": carried.reason,
                }
            )
