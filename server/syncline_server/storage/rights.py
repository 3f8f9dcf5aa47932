"""What an identity may do with an object of a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

__all__ = ["Right", "RightsChanged"]


class Right(IntFlag):
    """The vendor's three, as they are stored."""

    NONE = 0
    READ = 1
    WRITE = 2
    MANAGE = 4


@dataclass(frozen=True, slots=True)
class RightsChanged:
    """What is published when a permission is set or taken away.

    Attributes:
        sid: of the object.
        rights: all that the identity has from now on.
    """

    sid: str
    identity: str
    rights: Right
