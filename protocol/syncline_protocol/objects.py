"""Definitions that objects of every type share."""

from __future__ import annotations

__all__ = ["SYSTEM"]

SYSTEM = "system"
"""Identity of requests made with the account's credentials, and of the server itself."""
