"""REST v1 for lists and their items."""

from __future__ import annotations

from syncline_server.backend import Backend
from syncline_server.http.object_forms import LISTS
from syncline_server.http.routing import Route
from syncline_server.objects.lists import Lists

from .items import item_routes
from .objects import object_routes

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """The routes of lists and their items."""
    items = Lists(backend)
    return [*object_routes(backend, LISTS, items), *item_routes(backend, LISTS, items)]
