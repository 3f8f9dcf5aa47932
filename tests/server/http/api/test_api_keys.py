"""API keys over REST: what is shown of them, and who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from support.account import Account
from support.server import RunningServer, StartServer

UNKNOWN = f"SK{'9' * 32}"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose keys are those of these tests alone."""
    with RunningServer(tmp_path_factory.mktemp("keys") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def http(own: RunningServer) -> Iterator[httpx2.Client]:
    """Calls as the account."""
    with httpx2.Client(base_url=own.url, auth=own.basic, verify=False) as client:
        yield client


def made(http: httpx2.Client, **parameters: str) -> Any:
    """A new key."""
    reply = http.post("/v1/Keys", data=parameters)
    assert reply.status_code == 201, reply.text
    return reply.json()


def listed(http: httpx2.Client) -> list[str]:
    return [key["sid"] for key in http.get("/v1/Keys").json()["keys"]]


def test_a_secret_is_reported_once(own: RunningServer, http: httpx2.Client) -> None:
    key = made(http, FriendlyName="CI é")
    secret = key.pop("secret")
    assert len(secret) >= 43
    assert key == {
        "sid": key["sid"],
        "account_sid": own.credentials.account_sid,
        "friendly_name": "CI é",
        "login_only": False,
        "configured": False,
        "date_created": key["date_created"],
        "url": f"{own.url}/v1/Keys/{key['sid']}",
    }
    assert http.get(key["url"]).json() == key
    replies = [http.get("/v1/Keys").text, http.get(key["url"]).text]
    assert key["sid"] in replies[0] and not any(secret in reply for reply in replies)


def test_the_new_key_logs_in_and_the_revoked_one_does_not(
    own: RunningServer, http: httpx2.Client
) -> None:
    key = made(http)
    documents = f"{own.url}/v1/Services/default/Documents"
    login = (key["sid"], key["secret"])
    assert http.get(documents, auth=login).status_code == 200
    reply = http.delete(key["url"])
    assert (reply.status_code, reply.content) == (204, b"")
    refused = http.get(documents, auth=login)
    assert (refused.status_code, refused.json()["code"]) == (401, 20003)
    assert refused.json()["message"] == (
        "The account or key is unknown or was revoked, or its secret is wrong."
    )
    assert http.get(key["url"]).status_code == 404
    assert http.delete(key["url"]).status_code == 404


def test_keys_of_the_configuration_are_listed_too(own: RunningServer, http: httpx2.Client) -> None:
    [(configured, secret)] = own.credentials.api_keys.items()
    reply = http.get(f"/v1/Keys/{configured}")
    assert secret not in reply.text
    assert reply.json() == {
        "sid": configured,
        "account_sid": own.credentials.account_sid,
        "friendly_name": None,
        "login_only": False,
        "configured": True,
        "date_created": None,
        "url": f"{own.url}/v1/Keys/{configured}",
    }
    assert configured in listed(http)


def test_pages_lead_to_all(http: httpx2.Client) -> None:
    for _ in range(3):
        made(http, LoginOnly="true")
    url, found = "/v1/Keys?PageSize=2", []
    while url is not None:
        page = http.get(url).json()
        assert page["meta"]["key"] == "keys"
        found += [key["sid"] for key in page["keys"]]
        url = page["meta"]["next_page_url"]
    assert found == sorted(found) == listed(http)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"FriendlyName": "x" * 256}, 54053),
        ({"LoginOnly": "perhaps"}, 20422),
        ({"LoginOnly": ""}, 20422),
        ({"LoginOnly": ["true", "true"]}, 20422),
    ],
)
def test_a_wrong_parameter_makes_no_key(
    http: httpx2.Client, parameters: dict[str, Any], code: int
) -> None:
    before = listed(http)
    reply = http.post("/v1/Keys", data=parameters)
    assert (reply.status_code, reply.json()["code"]) == (400, code)
    assert listed(http) == before


def test_json_will_do(http: httpx2.Client) -> None:
    reply = http.post("/v1/Keys", json={"friendly_name": None, "login_only": True})
    assert reply.status_code == 201
    assert reply.json()["login_only"] is True


@pytest.mark.parametrize("path", [UNKNOWN, "SK", "..%2F", "%00", "x" * 300])
def test_an_unknown_key_is_not_found(http: httpx2.Client, path: str) -> None:
    for method in ("GET", "DELETE"):
        reply = http.request(method, f"/v1/Keys/{path}")
        assert (reply.status_code, reply.json()["code"]) == (404, 20404)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_are_refused(http: httpx2.Client, method: str) -> None:
    assert http.request(method, "/v1/Keys").status_code == 405


class TestWhoMay:
    """The account itself, and nobody else."""

    @pytest.fixture(params=["no login", "wrong login", "token", "configured key", "made key"])
    def caller(
        self, own: RunningServer, http: httpx2.Client, request: pytest.FixtureRequest
    ) -> Iterator[tuple[httpx2.Client, int]]:
        """Somebody else, and the status that is due."""
        account, auth_token = own.basic
        key = made(http)
        auth, headers, status = {
            "no login": (None, {}, 401),
            "wrong login": ((account, f"{auth_token}x"), {}, 401),
            "token": (None, {"Authorization": f"Bearer {own.token()}"}, 403),
            "configured key": (next(iter(own.credentials.api_keys.items())), {}, 403),
            "made key": ((key["sid"], key["secret"]), {}, 403),
        }[request.param]
        with httpx2.Client(base_url=own.url, auth=auth, headers=headers, verify=False) as client:
            yield client, status
        http.delete(key["url"])

    def test_everybody_else_is_refused(
        self, own: RunningServer, http: httpx2.Client, caller: tuple[httpx2.Client, int]
    ) -> None:
        client, status = caller
        before = listed(http)
        [(configured, _)] = own.credentials.api_keys.items()
        for method, path in (
            ("POST", "/v1/Keys"),
            ("GET", "/v1/Keys"),
            ("GET", f"/v1/Keys/{configured}"),
            ("DELETE", f"/v1/Keys/{configured}"),
        ):
            reply = client.request(method, path)
            assert reply.status_code == status, (method, path)
            assert reply.json()["code"] == (20403 if status == 403 else 20003)
            assert configured not in reply.text
        assert listed(http) == before

    def test_a_made_key_may_do_all_else_that_the_account_may(
        self, own: RunningServer, http: httpx2.Client
    ) -> None:
        key = made(http, LoginOnly="true")
        with Account(own) as account:
            account.http.auth = httpx2.BasicAuth(key["sid"], key["secret"])
            service = account.service()
            account.document(service)
            account.ok("DELETE", service)


def test_there_are_no_more_than_the_limit(fresh_server: StartServer) -> None:
    server = fresh_server("--max-keys=1")
    with httpx2.Client(base_url=server.url, auth=server.basic, verify=False) as http:
        made(http)
        reply = http.post("/v1/Keys")
        metrics = http.get("/metrics").text
    assert (reply.status_code, reply.json()["code"]) == (409, 20409)
    assert "There are 1 API keys, the maximum" in reply.json()["message"]
    assert 'syncline_bound_hits_total{bound="max_keys",worker="0"} 1.0' in metrics
