"""Which items of a collection a client observes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["WHOLE", "Scope"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """All items; or those whose key begins with `prefix`, or is one of `keys`."""

    prefix: str = ""
    keys: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """True for all items."""
        return not (self.prefix or self.keys)

    def has(self, key: str) -> bool:
        """True for an item that belongs to it."""
        return key in self.keys if self.keys else key.startswith(self.prefix)


WHOLE = Scope()
