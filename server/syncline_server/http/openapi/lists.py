"""OpenAPI paths and schemas of lists and their items."""

from __future__ import annotations

from syncline_protocol.item_types import LIST_ITEMS
from syncline_server.config.settings import Settings
from syncline_server.http.object_forms import LISTS

from .items import item_paths, item_schemas
from .objects import object_paths, object_schemas
from .parts import JsonObject

__all__ = ["list_paths", "list_schemas"]


def list_paths() -> JsonObject:
    """The `paths` of lists and their items."""
    return {**object_paths(LISTS), **item_paths(LIST_ITEMS)}


def list_schemas(settings: Settings) -> JsonObject:
    """The `schemas` of lists and their items."""
    return {**object_schemas(LISTS), **item_schemas(LIST_ITEMS, settings)}
