"""Pages for people who open an address of the server in a browser."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from html import escape
from http import HTTPStatus
from pathlib import Path
from string import Template
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse

__all__ = [
    "PAGES",
    "PAGE_HEADERS",
    "STRICT_HEADERS",
    "SWAGGER_UI",
    "page_reply",
    "prefers_page",
    "problem_page",
    "root_of",
]

DEEPEST = 32
"""Slashes in the path of a page whose links go by `..`; an error page of a deeper one has those of
a server without a prefix."""

_STATIC = Path(__file__).parent / "static"

PAGES = _STATIC / "pages"
"""What the pages load."""

SWAGGER_UI = _STATIC / "swagger-ui"
"""Files of the npm package `swagger-ui-dist` 5.35.0, without its source maps."""


def _page_headers(images: str, *directives: str) -> dict[str, str]:
    """Headers of a page that runs the server's own scripts alone.

    Args:
        images: where images may come from.
        directives: more of the content security policy.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; "
        f"img-src {images}; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )
    features = "camera=(), display-capture=(), geolocation=(), microphone=(), usb=()"
    return {
        "Cache-Control": "no-cache",
        "Content-Security-Policy": "; ".join((policy, *directives)),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Permissions-Policy": features,
        # For browsers that do not know `frame-ancestors`.
        "X-Frame-Options": "DENY",
    }


PAGE_HEADERS = {**_page_headers("'self' data:"), "Vary": "Accept"}

STRICT_HEADERS = _page_headers(
    "'self'", "require-trusted-types-for 'script'", "trusted-types 'none'"
)
"""For pages whose scripts are all written here: the console and the demo."""


def root_of(path: bytes) -> str:
    """The start page of this server, as a URL relative to the page at `path`.

    A proxy may serve all pages under a prefix, which this server does not see.
    """
    depth = path.count(b"/") - 1
    return "/" if depth > DEEPEST else "../" * depth or "./"


def page_reply(
    template: str,
    values: Mapping[str, str],
    status: int = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> HTMLResponse:
    """A page of `static/templates`, its `$names` replaced by `values`, which are HTML.

    `root` is among them (`root_of`).
    """
    text = _template(template).substitute(values)
    return HTMLResponse(text, status, {**PAGE_HEADERS, **(headers or {})})


def problem_page(
    body: Mapping[str, Any], path: bytes, headers: Mapping[str, str] | None = None
) -> HTMLResponse:
    """What an error body (errors.error_body) says, as a page at `path`."""
    status = HTTPStatus(body["status"])
    values = {
        "root": root_of(path),
        "status": str(status.value),
        "title": escape(status.phrase),
        "message": escape(body["message"]),
        "code": str(body["code"]),
    }
    return page_reply(
        "problem.html", values, status, {"Cache-Control": "no-store", **(headers or {})}
    )


def prefers_page(request: Request, *, by_default: bool = False) -> bool:
    """Whether the client accepts HTML more than JSON (RFC 9110, 12.5.1).

    `by_default` is the answer for one that has no preference, such as `Accept: */*`.
    """
    ranges = _media_ranges(request.headers.get("accept", "*/*"))
    page, data = (_quality(ranges, kind) for kind in ("text/html", "application/json"))
    return page > data or (by_default and page == data > 0)


def _media_ranges(accept: str) -> dict[str, float]:
    """The quality of each media range of an Accept header; a malformed quality counts as 0."""
    ranges = {}
    for element in accept.split(","):
        name, *parameters = (part.strip().lower() for part in element.split(";"))
        quality = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        try:
            ranges[name] = float(quality)
        except ValueError:
            ranges[name] = 0.0
    return ranges


def _quality(ranges: Mapping[str, float], kind: str) -> float:
    """The quality of the most specific range that `kind` matches; 0 if none does."""
    for name in (kind, kind.partition("/")[0] + "/*", "*/*"):
        if name in ranges:
            return ranges[name]
    return 0.0


@cache
def _template(name: str) -> Template:
    return Template((_STATIC / "templates" / name).read_text())
