"""Paths of the benchmark."""

from __future__ import annotations

from pathlib import Path

__all__ = ["BUILD", "MODULES", "PROGRAMS", "ROOT"]

PROGRAMS = Path(__file__).parent / "programs"
ROOT = Path(__file__).parents[2]
BUILD = ROOT / "bench" / "build"
MODULES = ROOT / "bench" / "node_modules"
