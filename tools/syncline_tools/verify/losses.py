"""Which writes a failover may have lost without breaking a promise.

A write that was never acknowledged may be seen and then be lost: Redis had it and published it, and
the replica that took over did not have it. What was acknowledged is never excused.
"""

from __future__ import annotations

from dataclasses import dataclass

from .calm import COMMAND_AFTERMATH
from .evidence import Evidence
from .faults import COMMAND

__all__ = ["Losses"]


@dataclass(frozen=True, slots=True)
class Losses:
    """Those of one run; `spans` are the times in which a command may have caused one."""

    spans: list[tuple[float, float]]

    @classmethod
    def of(cls, evidence: Evidence) -> Losses:
        """Those that the commands of a run may have caused."""
        return cls(
            [
                (fault.at, fault.at + fault.seconds + COMMAND_AFTERMATH)
                for fault in evidence.faults
                if fault.fault == COMMAND
            ]
        )

    def possible(self, since: float, until: float) -> bool:
        """True if something that was seen at `since` may have been lost by `until`."""
        return any(start < until and since < end for start, end in self.spans)
