"""REST v1 for maps and their items."""

from __future__ import annotations

from syncline_server.backend import Backend
from syncline_server.http.object_forms import MAPS
from syncline_server.http.routing import Route
from syncline_server.objects.maps import Maps

from .items import item_routes
from .objects import object_routes

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """The routes of maps and their items."""
    items = Maps(backend)
    return [*object_routes(backend, MAPS, items), *item_routes(backend, MAPS, items)]
