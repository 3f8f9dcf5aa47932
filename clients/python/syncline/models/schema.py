"""Interface of what knows the models of one kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

__all__ = ["Convert", "Schema"]

Convert = Callable[[Any], Any]
"""Turns one value into another; raises `Misfit`."""


class Schema(Protocol):
    """One model."""

    @property
    def name(self) -> str:
        """Name of the model, for error messages."""

    def accepts(self, value: object) -> bool:
        """True if `value` is an instance of the model."""

    def read(self, json: bytes) -> Any:
        """Make an instance from stored data.

        Raises:
            Misfit: the data does not fit the model.
        """

    def write(self, value: Any) -> Any:
        """Turn an instance into plain JSON values.

        What has no form in JSON may stay as it is: encoding refuses it, with its path.

        Raises:
            Misfit: the value contains itself, or the model's package refuses it.
        """

    def fields(self) -> Mapping[str, Convert]:
        """The fields by their names in stored data: each turns a new value into plain JSON."""

    @property
    def accepts_others(self) -> bool:
        """True if data may have keys that are no fields."""
