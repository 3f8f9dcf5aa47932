"""Each `syncline serve` of the documentation starts a server, and accepts what the page says."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from support.certificates import CertificateAuthority
from support.provider import OpenIdProvider
from support.server import RunningServer
from support.snippets import Snippet, select

ISSUER = "https://id.example.com/realms/shop"
CERTIFICATES = "/etc/syncline"


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as started:
        yield started


@pytest.mark.parametrize("snippet", select("serve"), ids=str)
def test_a_server_starts_as_it_is_written(
    snippet: Snippet, tmp_path: Path, authority: CertificateAuthority, provider: OpenIdProvider
) -> None:
    identity = authority.issue(tmp_path / "tls")
    code = snippet.code.replace(f"{CERTIFICATES}/fullchain.pem", str(identity.certificate))
    code = code.replace(f"{CERTIFICATES}/privkey.pem", str(identity.key))
    program, command, *options = shlex.split(code.replace(ISSUER, provider.issuer), comments=True)
    assert (program, command) == ("syncline", "serve")

    with RunningServer(tmp_path / "data", *options) as server:
        url = f"https://localhost:{server.port}" if "--tls-cert" in options else server.url
        tls = authority.context if "--tls-cert" in options else True
        headers = {}
        if "--oidc-issuer" in options:
            token = provider.token(aud=options[options.index("--oidc-audience") + 1])
            headers["Authorization"] = f"Bearer {token}"
        login = None if headers else server.basic
        with httpx2.Client(auth=login, verify=tls, headers=headers) as http:
            made = http.post(f"{url}/v1/Services/default/Documents", data={"UniqueName": "lobby"})
    assert made.status_code == 201
    assert made.json()["created_by"] == ("alice" if headers else "system")
