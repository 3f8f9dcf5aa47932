"""`/console/login`: login to the console by an OpenID provider (`auth.oidc.console_login`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response

from syncline_protocol.errors import Code, Refusal
from syncline_server.backend import Backend
from syncline_server.observability.logs import about

from . import urls
from .authentication import address_of, authenticate, check_page
from .body import read_members
from .responses import json_reply
from .routing import Route

if TYPE_CHECKING:
    from syncline_server.auth.oidc.console_login import ConsoleLogin, GivenCode

__all__ = ["PATH", "routes"]

PATH = "/console/login"

_SHAPES = {
    "code": re.compile(r"[\x21-\x7e]{1,4096}", re.ASCII),
    "code_verifier": re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII),
    "nonce": re.compile(r"[A-Za-z0-9._~-]{22,128}", re.ASCII),
}
"""What a page brings back from the provider."""


class _Limits:
    """The limits of the body, as `body.Limits`."""

    body_limit = 8192
    values_limit = 16


def routes(backend: Backend, login: ConsoleLogin | None) -> list[Route]:
    """The routes of the login; without a provider they say so. None where there is no console."""
    if not backend.settings.has_console:
        return []
    endpoints = _Endpoints(backend, login)
    return [
        Route(
            PATH, {"GET": endpoints.about, "POST": endpoints.log_in, "DELETE": endpoints.log_out}
        ),
        Route(f"{PATH}/provider", {"GET": endpoints.provider}),
    ]


class _Endpoints:
    """All raise `Refusal`."""

    def __init__(self, backend: Backend, login: ConsoleLogin | None) -> None:
        self._backend = backend
        self._login = login

    async def about(self, _: Request) -> Response:
        """Whether a provider logs in here."""
        return json_reply({"provider": None if self._login is None else self._login.issuer})

    async def provider(self, request: Request) -> Response:
        """What the page sends to the provider."""
        login = self._configured()
        endpoints = await login.endpoints()
        return json_reply(
            {
                "authorization_endpoint": endpoints.authorization,
                "client_id": login.client,
                "issuer": login.issuer,
                "redirect_uri": self._redirect_uri(request),
                "scope": login.scope,
            }
        )

    async def log_in(self, request: Request) -> Response:
        """Begin a session for the code that the provider has given to the page."""
        login = self._configured()
        check_page(self._backend, request)
        failed_logins, address = self._backend.failed_logins, address_of(request)
        failed_logins.check(address, "")
        given = self._given(dict(await self._members(request)), request)
        try:
            person, is_admin = await login.authenticate(given)
            about(person=person, via="console")
            if not is_admin:
                raise Refusal(Code.FORBIDDEN, f"{person} is no administrator of this server.")
        except Refusal as refusal:
            if refusal.code is not Code.UNAVAILABLE:
                failed_logins.record_failure(address)
            raise
        session, secret = await login.sessions.create(person)
        self._backend.audit.done("console login", object=session.sid, code=201)
        lifetime = self._backend.settings.console_session
        known = {"sid": session.sid, "secret": secret, "person": person, "expires_in": lifetime}
        return json_reply(known, 201)

    async def log_out(self, request: Request) -> Response:
        """End the session that the request is authenticated by."""
        caller = await authenticate(self._backend, request)
        if self._login is None or caller.person is None or caller.key is None:
            raise Refusal(Code.FORBIDDEN, "Only a login by the identity provider can be ended.")
        await self._login.sessions.end(caller.key)
        self._backend.audit.done("console logout", object=caller.key, code=204)
        return Response(status_code=204)

    def _configured(self) -> ConsoleLogin:
        if self._login is None:
            raise Refusal(Code.NOT_FOUND, "No identity provider logs in to this console.")
        return self._login

    async def _members(self, request: Request) -> list[tuple[str, Any]]:
        return await read_members(request, _Limits(), self._backend.work.turn)

    def _given(self, members: dict[str, Any], request: Request) -> GivenCode:
        # Imported late, as the provider's HTTP client is.
        from syncline_server.auth.oidc.console_login import GivenCode

        for name, shape in _SHAPES.items():
            value = members.get(name)
            if not isinstance(value, str) or not shape.fullmatch(value):
                raise Refusal(Code.INVALID_PARAMETER, f"{name} must match {shape.pattern} (ASCII).")
        return GivenCode(
            code=members["code"],
            verifier=members["code_verifier"],
            nonce=members["nonce"],
            redirect_uri=self._redirect_uri(request),
        )

    def _redirect_uri(self, request: Request) -> str:
        return f"{urls.base_url(request, self._backend.settings.public_url)}/console"
