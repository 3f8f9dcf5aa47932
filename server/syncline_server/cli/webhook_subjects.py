"""What a webhook is about."""

from __future__ import annotations

from collections.abc import Mapping

from syncline_protocol.objects import TYPES

__all__ = ["subject_of"]


def subject_of(parameters: Mapping[str, str]) -> str:
    """The object of the event, with the item, or the identity that connected or left."""
    for type_ in (each.name.capitalize() for each in TYPES):
        name = parameters.get(f"{type_}UniqueName") or parameters.get(f"{type_}Sid")
        if name is not None:
            item = parameters.get("ItemKey") or parameters.get("ItemIndex")
            return str(name) if item is None else f"{name}, item {item}"
    return str(parameters["Identity"])
