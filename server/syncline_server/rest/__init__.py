"""REST v1, the vendor's public API, and what else is served over plain HTTP.

To wire it:

    Starlette(
        routes=[*rest.routes(backend), …],
        middleware=rest.middleware(settings, meters),
        exception_handlers=rest.exception_handlers,
    )
    uvicorn.Config(app, http=rest.http_protocol(limits, wheel.call_later, meters))

Other routes profit too: whatever they raise as `Refusal` is answered with the vendor's error body,
and `Resource` matches their paths undecoded, so that unique names may hold slashes.
"""

from __future__ import annotations

from starlette.middleware import Middleware

from syncline_server.backend import Backend
from syncline_server.metrics import Meters, Telemetry
from syncline_server.settings import Settings

from . import documents, health, openapi, permissions, services, telemetry
from .addresses import Resource
from .cors import CrossOrigin
from .errors import exception_handlers
from .middleware import Crowd, Recovery, RequestIds
from .transport import Limits, http_protocol

__all__ = ["Limits", "Resource", "exception_handlers", "http_protocol", "middleware", "routes"]


def routes(backend: Backend, metrics: Telemetry) -> list[Resource]:
    """All paths of this package."""
    return [
        *services.routes(backend),
        *documents.routes(backend),
        *permissions.routes(backend),
        *health.routes(backend),
        *telemetry.routes(backend, metrics),
        *openapi.routes(backend.settings),
    ]


def middleware(settings: Settings, meters: Meters) -> list[Middleware]:
    """What goes around all routes, outermost first."""
    return [
        Middleware(RequestIds),
        Middleware(CrossOrigin, origins=settings.origins),
        Middleware(Crowd, limit=settings.max_requests, meters=meters),
        Middleware(Recovery),
    ]
