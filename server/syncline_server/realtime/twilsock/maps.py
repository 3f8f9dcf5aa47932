"""Maps in the vendor's v3 dialect."""

from __future__ import annotations

from syncline_server.http.object_forms import MAPS

from .items import CollectionActions, collection_routes

__all__ = ["ROUTES"]

ROUTES = collection_routes(CollectionActions(MAPS))
