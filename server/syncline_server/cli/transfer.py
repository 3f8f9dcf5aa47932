"""The loop of an import: reads batches from a source, uploads them and records the progress."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .checkpoint import Checkpoint
from .output import show_line
from .progress import Progress
from .sources import Source, StalePosition
from .uploader import Outcome, Upload, Uploader

__all__ = ["Transfer"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Copies all documents of a source.

    Attributes:
        verbose: True prints a line for each document.
    """

    source: Source
    uploader: Uploader
    checkpoint: Checkpoint
    progress: Progress
    verbose: bool

    def run(self) -> Mapping[str, int]:
        """Copy the documents after the checkpoint of an interrupted run, or all of them.

        Returns:
            number of documents with each `Outcome`, those of the interrupted run included.
        """
        position = self.checkpoint.position
        try:
            counts = self._upload_all(position)
        except StalePosition:
            self.progress.print_line("the source has changed; starting again from the beginning")
            counts = self._upload_all(None)
        # The import is complete: the next run starts at the beginning, to find what is new.
        self.checkpoint.restart()
        return {outcome.value: counts[outcome] for outcome in Outcome}

    def _upload_all(self, position: str | None) -> Counter[str]:
        counts = Counter[str]() if position is None else self.checkpoint.counts
        for batch in self.source.batches(position):
            for upload in self.uploader.upload_all(batch.documents):
                counts[upload.outcome.value] += 1
                self._report(upload)
            # Only when every document of the batch has its result: a run that is killed before
            # repeats the batch, and never skips a document.
            self.checkpoint.advance(batch.position, counts)
            self.progress.advance(len(batch.documents), batch.size)
        return counts

    def _report(self, upload: Upload) -> None:
        document = upload.document
        if upload.outcome is Outcome.FAILED:
            self.progress.print_line(f"{document.label}: {upload.reason}")
        if self.verbose:
            show_line(
                {
                    "document": document.label,
                    "sid": document.sid,
                    "unique_name": document.unique_name,
                    "outcome": upload.outcome,
                    "target_sid": upload.target_sid,
                    "reason": upload.reason,
                }
            )
