"""A receiver of webhooks on this machine, which can pass them on to an application."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx2

from syncline_protocol.webhook_signature import HEADER, requested_url, signature

__all__ = ["FORWARD_TIMEOUT", "TOKEN_HEADER", "Received", "WebhookReceiver", "signed_post"]

FORWARD_TIMEOUT = 10
"""Seconds for the application to answer, as long as the server waits by default."""

BODY_LIMIT = 16 * 1024 * 1024
"""Maximum bytes of a webhook, above what any setting of the server allows for data."""

TOKEN_HEADER = "I-Twilio-Idempotency-Token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A webhook that came, and what became of it.

    Attributes:
        form: its parameters.
        status: status of the answer; that of the application if there is one.
        seconds: how long the application took.
        reason: why the application did not answer; None if it did.
    """

    form: Mapping[str, str]
    status: int
    seconds: float
    reason: str | None = None


class WebhookReceiver:
    """Listens within `with`, and calls `on_received` for each webhook, one at a time.

    Attributes:
        url: URL to which the server sends; it has a random path.
    """

    def __init__(
        self,
        address: tuple[str, int],
        auth_token: str,
        forward_to: str | None,
        on_received: Callable[[Received], None],
    ) -> None:
        self._auth_token = auth_token
        self._forward_to = forward_to
        self._on_received = on_received
        self._lock = threading.Lock()
        self._http = httpx2.Client(timeout=FORWARD_TIMEOUT, trust_env=False)
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver._answer(self)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        host, port = self._server.server_address[:2]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._path = f"/{secrets.token_urlsafe(16)}"
        self.url = f"http://{host!s}:{port}{self._path}"

    def reached_by(self, url: str) -> None:
        """Say by which URL the server reaches this receiver, such as that of a tunnel."""
        self.url = f"{url.rstrip('/')}{self._path}"

    def __enter__(self) -> WebhookReceiver:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._http.close()

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        length = request.headers.get("Content-Length") or ""
        if not length.isdecimal():
            return _reply(request, 411)
        size = int(length)
        if size > BODY_LIMIT:
            return _reply(request, 413)
        body = request.rfile.read(size)
        form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
        right = signature(self._auth_token, requested_url(self.url), form)
        # Another program of this machine may send here too: only the server can sign.
        if not hmac.compare_digest(right, request.headers.get(HEADER) or ""):
            return _reply(request, 403)
        headers = {TOKEN_HEADER: request.headers.get(TOKEN_HEADER) or ""}
        with self._lock:
            received = self._forward(form, headers)
            self._on_received(received)
        _reply(request, received.status)

    def _forward(self, form: Mapping[str, str], headers: Mapping[str, str]) -> Received:
        if self._forward_to is None:
            return Received(form=form, status=200, seconds=0)
        began = time.monotonic()
        try:
            reply = signed_post(self._http, self._forward_to, self._auth_token, form, headers)
        except httpx2.TransportError as error:
            # Not a success: the server sends the event again, as it would to the application.
            spent = time.monotonic() - began
            return Received(form=form, status=502, seconds=spent, reason=str(error) or repr(error))
        return Received(form=form, status=reply.status_code, seconds=time.monotonic() - began)


def signed_post(
    http: httpx2.Client,
    url: str,
    auth_token: str,
    form: Mapping[str, str],
    headers: Mapping[str, str],
) -> httpx2.Response:
    """Send a webhook with the signature that the server would give it."""
    signed = {HEADER: signature(auth_token, requested_url(url), form)}
    return http.post(
        urlsplit(url)._replace(fragment="").geturl(), data=form, headers=signed | {**headers}
    )


def _reply(request: BaseHTTPRequestHandler, status: int) -> None:
    request.send_response(status)
    request.send_header("Content-Length", "0")
    request.end_headers()
