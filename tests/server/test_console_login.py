"""The login to the console by an OpenID provider, over HTTP."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.limits import WAIT_LIMIT
from support.provider import SigningKey, encoded
from support.provider_login import CLIENT, LoginProvider
from support.server import RunningServer, StartServer


class Page:
    """What a page of the console does to log in."""

    def __init__(self, server: RunningServer, provider: LoginProvider) -> None:
        self.server = server
        self.provider = provider
        self.nonce = secrets.token_urlsafe(32)
        self.verifier = secrets.token_urlsafe(32)

    def code(self, **changed: str) -> str:
        """A code from the provider."""
        digest = hashlib.sha256(self.verifier.encode()).digest()
        query = {
            "nonce": self.nonce,
            "redirect_uri": f"{self.server.url}/console",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
        }
        return self.provider.code(query | changed)

    def bring(self, code: str, **options: Any) -> httpx2.Response:
        """Bring a code to the server; `options` of the request."""
        body = {"code": code, "code_verifier": self.verifier, "nonce": self.nonce}
        given = options.pop("json", {})
        url = f"{self.server.url}/console/login"
        return httpx2.post(url, json=body | given, timeout=WAIT_LIMIT, **options)

    def login(self) -> tuple[str, str]:
        """The login of a new session."""
        reply = self.bring(self.code())
        assert reply.status_code == 201, reply.text
        assert reply.headers["Cache-Control"] == "no-store"
        return reply.json()["sid"], reply.json()["secret"]


@pytest.fixture(scope="module")
def provider() -> Iterator[LoginProvider]:
    with LoginProvider() as provider:
        yield provider


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str], provider: LoginProvider
) -> Iterator[RunningServer]:
    """One whose operators log in by the provider."""
    data_dir = tmp_path_factory.mktemp("console") / "data"
    options = *provider.console_options, "--console-sessions=2", "--trusted-proxies=127.0.0.1"
    with RunningServer(data_dir, *options, *engine) as running:
        yield running


@pytest.fixture
def page(server: RunningServer, provider: LoginProvider) -> Page:
    provider.person = {"sub": "u-1", "groups": ["operators"]}
    provider.id_token, provider.secret = None, ""
    return Page(server, provider)


def status(server: RunningServer, login: tuple[str, str], path: str = "/v1/Services") -> int:
    return httpx2.get(f"{server.url}{path}", auth=login).status_code


def test_an_administrator_may_do_what_the_account_may(page: Page) -> None:
    login = page.login()
    server = page.server
    assert status(server, login) == status(server, login, "/v1/Keys") == 200
    made = httpx2.post(f"{server.url}/v1/Services/default/Documents", auth=login, json={})
    assert made.status_code == 201
    assert made.json()["created_by"] == "system"
    page.provider.person = {
        "sub": "u-2", "email": "ada@example.com", "email_verified": True,
    }  # fmt: skip
    reply = page.bring(page.code())
    assert reply.json()["person"] == "ada@example.com (u-2)"
    assert "console login" in server.log.read_text()
    for secret in (login[1], reply.json()["secret"], page.verifier):
        assert secret not in server.log.read_text()


@pytest.mark.parametrize(
    "person",
    [
        {"sub": "u-1"},
        {"sub": "u-1", "groups": "operator"},
        {"sub": "u-1", "groups": {"operators": True}},
        {"sub": "operators"},
        {"sub": "u-1", "email": "ada@example.com"},
        {"sub": "u-1", "email": "ada@example.com", "email_verified": "false"},
    ],
)
def test_others_are_no_administrators(page: Page, person: dict[str, Any]) -> None:
    page.provider.person = person
    reply = page.bring(page.code())
    assert (reply.status_code, reply.json()["code"]) == (403, 20403)


def test_a_code_is_for_one_page_and_one_time(page: Page) -> None:
    code = page.code()
    other = Page(page.server, page.provider)
    assert other.bring(code).status_code == 401, "another code verifier"
    code = page.code()
    assert page.bring(code).status_code == 201
    assert page.bring(code).status_code == 401
    reply = page.bring(page.code(), json={"nonce": other.nonce})
    assert reply.status_code == 401
    assert "nonce" in reply.json()["message"]
    elsewhere = page.code(redirect_uri="https://evil.example/console")
    assert page.bring(elsewhere).status_code == 401


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"aud": [CLIENT, "another"]},
        {"azp": "another"},
        {"iss": "https://evil.example"},
        {"exp": 1},
        {"sub": None},
        {"nonce": None},
    ],
)
def test_an_id_token_is_checked(page: Page, claims: dict[str, Any]) -> None:
    page.provider.person |= claims
    reply = page.bring(page.code())
    assert (reply.status_code, reply.json()["code"]) == (401, 20003)


def test_an_id_token_is_signed_by_the_provider(page: Page) -> None:
    good = page.provider.claims(aud=CLIENT, nonce=page.nonce, groups=["operators"])
    unsigned = f"{encoded({'alg': 'none'})}.{encoded(good)}."
    strange = SigningKey.make(page.provider.key.kid).sign(good)
    access = page.provider.key.sign(good, typ="at+jwt")
    for token in (unsigned, strange, access, "x.y", ""):
        page.provider.id_token = token or None
        if token:
            assert page.bring(page.code()).status_code == 401, token


def test_a_logout_ends_the_session_everywhere(page: Page) -> None:
    login = page.login()
    url = f"{page.server.url}/console/login"
    with httpx2.stream(
        "GET", f"{page.server.url}/v1/Events", auth=login, timeout=WAIT_LIMIT
    ) as tail:
        assert httpx2.delete(url, auth=login).status_code == 204
        assert b"closing" in b"".join(tail.iter_raw())
    assert status(page.server, login) == 401
    assert "console logout" in page.server.log.read_text()
    assert httpx2.delete(url, auth=page.server.basic).status_code == 403


def test_the_sessions_are_bounded(page: Page) -> None:
    logins = [page.login() for _ in range(3)]
    assert [status(page.server, each) for each in logins] == [401, 200, 200]


def test_a_session_is_a_login_and_nothing_else(page: Page) -> None:
    sid, secret = page.login()
    assert status(page.server, (sid, "guess")) == 401
    assert status(page.server, ("CS" + "0" * 32, secret)) == 401
    keys = httpx2.get(f"{page.server.url}/v1/Keys", auth=page.server.basic).json()["keys"]
    assert sid not in [each["sid"] for each in keys]
    token = page.provider.token(aud=CLIENT, groups=["operators"])
    bearer = {"Authorization": f"Bearer {token}"}
    documents = f"{page.server.url}/v1/Services/default/Documents"
    assert httpx2.get(documents, headers=bearer).status_code == 401, "without --oidc-audience"


def test_pages_of_other_origins_and_wrong_bodies_are_refused(page: Page) -> None:
    evil = page.bring(page.code(), headers={"Origin": "https://evil.example"})
    assert evil.status_code == 403
    url = f"{page.server.url}/console/login"
    assert (
        httpx2.post(url, content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    )
    assert httpx2.post(url, data={"code": "x"}).status_code == 415
    assert httpx2.post(url, json={"code": "x" * 9000}).status_code == 413
    for wrong in ({"code": ""}, {"code": 5}, {"code_verifier": "short"}, {"nonce": None}):
        assert page.bring("x", json=wrong).status_code == 400
    foreign = httpx2.get(f"{url}/provider", headers={"Host": "evil.example"}).json()
    assert foreign["redirect_uri"] == "http://evil.example/console", "which the provider refuses"


def test_guessing_is_bounded_and_costs_the_provider_little(
    fresh_server: StartServer, provider: LoginProvider
) -> None:
    server = fresh_server(*provider.console_options, "--login-failures=2")
    page = Page(server, provider)
    assert [page.bring("guess").status_code for _ in range(3)] == [401, 401, 429]


def test_a_provider_that_is_away_is_no_refusal(fresh_server: StartServer) -> None:
    with LoginProvider() as own:
        options = *own.console_options, "--oidc-refetch-interval=0.1", "--login-failures=1"
        server = fresh_server(*options)
        own.fail()
        for _ in range(2):
            assert httpx2.get(f"{server.url}/console/login/provider").status_code == 503
            assert Page(server, own).bring("code").status_code == 503
        own.recover()
        while httpx2.get(f"{server.url}/console/login/provider").status_code == 503:
            pass
        own.secret = "of the console"
        assert Page(server, own).bring(Page(server, own).code()).status_code == 401


def test_other_settings_end_the_sessions(
    fresh_server: StartServer, provider: LoginProvider
) -> None:
    server = fresh_server(
        *provider.console_options, environ={"SYNCLINE_CONSOLE_OIDC_SECRET": "of the console"}
    )
    provider.secret = "of the console"
    provider.person = {"sub": "u-1", "groups": ["operators"]}
    login = Page(server, provider).login()
    server.stop()
    again = fresh_server(*provider.console_options, data_dir=server.data_dir)
    assert status(again, login) == 200
    again.stop()
    options = [
        each.replace("groups=operators", "groups=owners") for each in provider.console_options
    ]
    other = fresh_server(*options, data_dir=server.data_dir)
    assert status(other, login) == 401
    provider.secret = ""


def test_all_workers_know_a_session(fresh_server: StartServer, provider: LoginProvider) -> None:
    provider.person = {"sub": "u-1", "groups": ["operators"]}
    server = fresh_server(*provider.console_options, "--workers=2")
    login = Page(server, provider).login()
    assert [status(server, login) for _ in range(20)] == [200] * 20


def test_without_the_settings_there_is_no_such_login(fresh_server: StartServer) -> None:
    server = fresh_server()
    url = f"{server.url}/console/login"
    assert httpx2.get(url).json() == {"provider": None}
    assert httpx2.post(url, json={}).status_code == 404
    assert httpx2.get(f"{url}/provider").status_code == 404
