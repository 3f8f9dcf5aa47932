"""OpenAPI paths and schemas of maps and their items."""

from __future__ import annotations

from syncline_protocol.item_types import MAP_ITEMS
from syncline_server.config.settings import Settings
from syncline_server.http.object_forms import MAPS

from .items import item_paths, item_schemas
from .objects import object_paths, object_schemas
from .parts import JsonObject

__all__ = ["map_paths", "map_schemas"]


def map_paths() -> JsonObject:
    """The `paths` of maps and their items."""
    return {**object_paths(MAPS), **item_paths(MAP_ITEMS)}


def map_schemas(settings: Settings) -> JsonObject:
    """The `schemas` of maps and their items."""
    return {**object_schemas(MAPS), **item_schemas(MAP_ITEMS, settings)}
