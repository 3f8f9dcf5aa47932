"""REST v1 (the vendor's public API), health, metrics and OpenAPI routes, and their middleware.

To wire it:

    Starlette(
        routes=[*rest.routes(backend), …],
        middleware=rest.middleware(settings, meters, backend.audit, backend.work),
        exception_handlers=rest.exception_handlers,
    )
    uvicorn.Config(app, http=rest.http_protocol(limits, timers.call_later, meters, audit))

Routes of other packages benefit too: a `Refusal` that they raise is answered with the vendor's
error body, and `Route` matches undecoded paths, so that unique names may contain slashes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.middleware import Middleware

from syncline_server.auth.api_keys import ApiKeys
from syncline_server.backend import Backend
from syncline_server.config.networks import Proxies
from syncline_server.config.settings import Settings
from syncline_server.objects.work import WorkQueue
from syncline_server.observability.audit import Audit
from syncline_server.observability.metrics import Meters
from syncline_server.observability.worker_metrics import WorkerMetrics

from . import health, home, metrics
from .api import api_keys as keys
from .api import dead_letters as parked_webhooks
from .api import documents, lists, maps, permissions, services, streams
from .errors import exception_handlers
from .middleware.cors import CrossOrigin
from .middleware.exchange import Recovery, RequestIds, RequestLimit
from .middleware.proxy_headers import Forwarding
from .middleware.security_headers import NO_SNIFFING, Protection
from .middleware.tracing import Traced
from .openapi import documents as openapi
from .protocol import Limits, http_protocol
from .routing import Route, RouteTable

if TYPE_CHECKING:
    from syncline_server.observability.tracing import Traces

__all__ = [
    "NO_SNIFFING",
    "Limits",
    "Route",
    "RouteTable",
    "exception_handlers",
    "http_protocol",
    "middleware",
    "routes",
]


def routes(backend: Backend, worker_metrics: WorkerMetrics, api_keys: ApiKeys) -> list[Route]:
    """All routes of this package."""
    return [
        *services.routes(backend),
        *documents.routes(backend),
        *lists.routes(backend),
        *maps.routes(backend),
        *streams.routes(backend),
        *permissions.routes(backend),
        *parked_webhooks.routes(backend),
        *keys.routes(backend, api_keys),
        *health.routes(backend),
        *home.routes(backend),
        *metrics.routes(backend, worker_metrics),
        *openapi.routes(backend.settings),
    ]


def middleware(
    settings: Settings,
    meters: Meters,
    audit: Audit,
    work: WorkQueue,
    *,
    traces: Traces | None = None,
) -> list[Middleware]:
    """The middleware around all routes, outermost first."""
    # The order matters:
    # 1. `Forwarding` first: all others see the real client and scheme.
    # 2. `RequestIds` around all that log or refuse, so that each line and reply has the id.
    # 3. `CrossOrigin` around `RequestLimit`: a page can read its 503, and preflights take no place.
    # 4. `Recovery` last, so that its 500 gets the headers of all others.
    return [
        Middleware(Forwarding, proxies=Proxies(settings.proxies), notice=audit.forwarding),
        Middleware(Protection, hsts=settings.hsts),
        Middleware(RequestIds),
        *([] if traces is None else [Middleware(Traced, traces=traces)]),
        Middleware(CrossOrigin, origins=settings.origins),
        Middleware(
            RequestLimit, limit=settings.max_requests, meters=meters, audit=audit, work=work
        ),
        Middleware(Recovery),
    ]
