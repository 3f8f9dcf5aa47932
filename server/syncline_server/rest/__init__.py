"""REST v1, the vendor's public API, and what else is served over plain HTTP.

To wire it:

    Starlette(
        routes=[*rest.routes(backend), …],
        middleware=rest.middleware(settings),
        exception_handlers=rest.exception_handlers,
    )
    uvicorn.Config(app, http=rest.http_protocol(url_limit, header_limit, slow_reader_timeout))

Other routes profit too: whatever they raise as `Refusal` is answered with the vendor's error body,
and `Resource` matches their paths undecoded, so that unique names may hold slashes.
"""

from __future__ import annotations

from starlette.middleware import Middleware

from syncline_server.backend import Backend
from syncline_server.settings import Settings

from . import documents, health, openapi, permissions, services
from .addresses import Resource
from .cors import CrossOrigin
from .errors import exception_handlers
from .middleware import Recovery, RequestIds
from .transport import http_protocol

__all__ = ["Resource", "exception_handlers", "http_protocol", "middleware", "routes"]


def routes(backend: Backend) -> list[Resource]:
    """All paths of this package."""
    return [
        *services.routes(backend),
        *documents.routes(backend),
        *permissions.routes(backend),
        *health.routes(backend),
        *openapi.routes(backend.settings),
    ]


def middleware(settings: Settings) -> list[Middleware]:
    """What goes around all routes, outermost first."""
    return [
        Middleware(RequestIds),
        Middleware(CrossOrigin, origins=settings.origins),
        Middleware(Recovery),
    ]
