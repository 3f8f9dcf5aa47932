"""`/`: what runs here; and `/docs`: the REST API in a viewer."""

from __future__ import annotations

from html import escape
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol import __version__
from syncline_server.backend import Backend
from syncline_server.config.settings import Settings

from .pages import page_reply, prefers_page, root_of
from .responses import json_reply
from .routing import Route, raw_path

__all__ = ["routes"]


def routes(backend: Backend) -> list[Route]:
    """`/` as a page, or as JSON for clients that ask for it, and `/docs`."""
    links = _links(backend.settings)
    prefix = urlsplit(backend.settings.public_url or "").path.rstrip("/")

    async def home(request: Request) -> Response:
        ready = not backend.problems()
        if not prefers_page(request, by_default=True):
            about = {
                "name": "syncline",
                "version": __version__,
                "status": "ready" if ready else "unavailable",
                "links": {name: f"{prefix}/{path}" for name, (path, _, _) in links.items()},
            }
            return json_reply(about, headers={"Vary": "Accept"})
        root = root_of(raw_path(request.scope))
        values = {
            "root": root,
            "version": escape(__version__),
            "state": "ready" if ready else "unavailable",
            "health": "Ready" if ready else "Not ready: see the readiness check",
            "links": "\n        ".join(
                f'<li><a href="{root}{path}"><strong>{title}</strong> {text}</a></li>'
                for path, title, text in links.values()
            ),
        }
        return page_reply("home.html", values)

    async def docs(request: Request) -> Response:
        return page_reply("docs.html", {"root": root_of(raw_path(request.scope))})

    return [Route("/", {"GET": home}), Route("/docs", {"GET": docs})]


def _links(settings: Settings) -> dict[str, tuple[str, str, str]]:
    """Path, title and description of what can be opened here, by name."""
    links = {
        "console": ("console", "Console", "Services, what is in them, and who is connected"),
        "demo": ("demo", "Demo", "Documents and a board of cards, the same in two windows"),
        "docs": ("docs", "REST API", "Every operation, to read and to try"),
        "openapi": ("openapi.json", "OpenAPI", "The same for machines"),
        "client": ("syncline.js", "Browser client", "One module, no build step"),
        "readiness": ("readyz", "Readiness", "Whether requests can be served now, and why not"),
    }
    for name, is_served in (("console", settings.has_console), ("demo", settings.demo)):
        if not is_served:
            del links[name]
    return links
