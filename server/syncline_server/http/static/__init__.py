"""Static files for browsers: the client, the console, and the demo with its tokens."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from syncline_protocol.errors import Code, Refusal
from syncline_protocol.identities import IDENTITY_LENGTH, RESERVED, is_reserved
from syncline_server.auth.authenticator import mint_token
from syncline_server.config.credentials import Credentials
from syncline_server.config.networks import Network
from syncline_server.config.settings import Settings
from syncline_server.http.loopback import why_not_local
from syncline_server.http.pages import PAGE_HEADERS, PAGES, STRICT_HEADERS, SWAGGER_UI

__all__ = ["routes"]

DEMO_TOKEN_TTL = 3600
"""Lifetime of a demo token in seconds; the page fetches the next one in time."""

_CLIENT_HEADERS = {
    "Cache-Control": "no-cache",
    # Set here because the machine's table of media types may say something else.
    "Content-Type": "text/javascript; charset=utf-8",
    # Pages of every origin may load it.
    "Cross-Origin-Resource-Policy": "cross-origin",
}

_DEMO = Path(__file__).parent / "demo"

_CONSOLE = Path(__file__).parent / "console"


def routes(credentials: Credentials, settings: Settings) -> list[BaseRoute]:
    """The routes of static files, and of the console and the demo where they are on."""
    return [
        *_client_routes(),
        Mount("/pages", _Files(PAGES, PAGE_HEADERS)),
        Mount("/swagger-ui", _Files(SWAGGER_UI, PAGE_HEADERS)),
        *(_page_routes("/console", _CONSOLE) if settings.has_console else []),
        *(_demo_routes(credentials, settings.demo_client_networks) if settings.demo else []),
    ]


def _client_routes() -> list[BaseRoute]:
    """Routes of the module that pages import, and of the modules that it imports."""
    directory = _client_directory()
    entry = _Files(directory, _CLIENT_HEADERS)

    async def client(request: Request) -> Response:
        return await entry.get_response("syncline.js", request.scope)

    parts = _Files(directory / "syncline", _CLIENT_HEADERS)
    return [Route("/syncline.js", client), Mount("/syncline", parts)]


def _page_routes(path: str, directory: Path) -> list[BaseRoute]:
    """Routes of a page, with and without a slash at its end, and of what it loads.

    Its links are relative: a proxy may serve it under a prefix.
    """
    index = directory / "index.html"

    async def page(_: Request) -> Response:
        return FileResponse(index, headers=STRICT_HEADERS)

    async def page_with_slash(_: Request) -> Response:
        text = index.read_text().replace('="./', '="../')
        return HTMLResponse(text, headers=STRICT_HEADERS)

    return [
        Route(path, page),
        Route(f"{path}/", page_with_slash),
        Mount(path, _Files(directory, STRICT_HEADERS)),
    ]


def _demo_routes(credentials: Credentials, callers: Collection[Network]) -> list[BaseRoute]:
    async def token(request: Request) -> Response:
        if reason := why_not_local(request, callers):
            raise Refusal(Code.FORBIDDEN, _explain(reason, request))
        identity = request.query_params.get("identity", "")
        if not 1 <= len(identity) <= IDENTITY_LENGTH:
            raise Refusal(
                Code.INVALID_PARAMETER,
                f"identity must have 1 to {IDENTITY_LENGTH} characters, not {len(identity)}.",
            )
        if is_reserved(identity):
            raise Refusal(Code.INVALID_PARAMETER, RESERVED)
        made = mint_token(credentials, identity, DEMO_TOKEN_TTL)
        return JSONResponse(
            {"identity": identity, "token": made}, headers={"Cache-Control": "no-store"}
        )

    return [Route("/demo/token", token), *_page_routes("/demo", _DEMO)]


def _explain(reason: str, request: Request) -> str:
    """Why there is no token, and what to set so that there is one."""
    address = request.client.host if request.client else "ADDRESS"
    return (
        f"The demo gives no token to this client. {reason} Clients on this machine get tokens, "
        f"and those in the networks of --demo-networks (SYNCLINE_DEMO_NETWORKS), for example "
        f"{address}, that open the page directly by an IP address or as localhost."
    )


class _Files(StaticFiles):
    """The files of one directory, all with the same extra headers."""

    def __init__(self, directory: Path, headers: dict[str, str]) -> None:
        super().__init__(directory=directory)
        self._headers = headers

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers.update(self._headers)
        return response


def _client_directory() -> Path:
    """Directory of the client: beside this file in a wheel, `clients/js/src` in the sources."""
    packaged = Path(__file__).parent / "_js"
    if packaged.exists():
        return packaged
    return Path(__file__).parents[4] / "clients" / "js" / "src"
