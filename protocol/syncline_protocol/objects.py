"""What objects of every type share."""

from __future__ import annotations

__all__ = ["SYSTEM"]

SYSTEM = "system"
"""The identity of whoever uses the account's credentials, and of the server itself."""
