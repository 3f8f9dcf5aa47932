"""Type variables of the generic handles, items and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic

from .header import JsonObject

__all__ = ["Defaulted", "K", "T"]

if TYPE_CHECKING:
    # Type checkers know it without the package; nothing imports it at run time.
    from typing_extensions import TypeVar
else:
    import typing

    def TypeVar(name: str, *, default: Any, bound: Any = None) -> Any:
        """Drop the default, which only Python 3.13 and later have at run time."""
        return typing.TypeVar(name, bound=bound)


T = TypeVar("T", default=JsonObject)
"""Type of the data: the `model` of the handle, or `JsonObject`."""

K = TypeVar("K", bound=str | int, default=Any)
"""Key of an item: a string in a map, the index in a list."""


class Defaulted:
    """Lets `Item[Lobby]` run before Python 3.13, where a type variable has no default."""

    __slots__ = ()

    if not TYPE_CHECKING:

        def __class_getitem__(cls, parameters: Any) -> Any:
            """Add the defaults of the type variables that are not given."""
            given = parameters if isinstance(parameters, tuple) else (parameters,)
            missing = cls.__parameters__[len(given) :]
            defaults = tuple(JsonObject if each is T else Any for each in missing)
            return Generic.__class_getitem__.__func__(cls, given + defaults)
