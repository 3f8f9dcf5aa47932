"""Security headers of replies: CSP, CORP, Referrer-Policy and HSTS."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["NO_SNIFFING", "Protection"]

NO_SNIFFING = ("x-content-type-options", "nosniff")
"""For every reply, including those that uvicorn makes itself."""

_PROTECTION = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    # No loss for pages of other origins: they read replies by CORS, to which CORP does not apply.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)


class Protection:
    """Adds security headers. A header that the reply already has, as the demo page does, stays."""

    def __init__(self, app: ASGIApp, hsts: int) -> None:
        """`hsts`: seconds for which browsers must use only HTTPS here; 0 sends no header."""
        self._app = app
        self._hsts = (b"strict-transport-security", b"max-age=%d" % hsts) if hsts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # RFC 6797, 7.2: must not be sent over plain HTTP.
        hsts = self._hsts if scope["scheme"] == "https" else None

        async def protecting_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message["headers"] = list(message.get("headers", ()))
                present = {name.lower() for name, _ in headers}
                headers += [header for header in _PROTECTION if header[0] not in present]
                if hsts is not None:
                    headers.append(hsts)
            await send(message)

        await self._app(scope, receive, protecting_send)
