"""Headers that tell browsers what not to do with a reply."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["NO_SNIFFING", "Protection"]

NO_SNIFFING = ("x-content-type-options", "nosniff")
"""For every reply, those included that no application makes."""

_PROTECTION = (
    (b"content-security-policy", b"frame-ancestors 'none'"),
    # Pages of other origins read replies by CORS, to which this does not apply, or not at all.
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
)


class Protection:
    """Adds what a reply does not bring itself, as pages and scripts do."""

    def __init__(self, app: ASGIApp, hsts: int) -> None:
        """`hsts`: seconds for which browsers are to use nothing but HTTPS here; 0 says nothing."""
        self._app = app
        self._hsts = (b"strict-transport-security", b"max-age=%d" % hsts) if hsts else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        # Over plain HTTP it must not be sent (RFC 6797, 7.2).
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
