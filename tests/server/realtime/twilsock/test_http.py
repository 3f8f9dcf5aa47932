"""What is particular to the v3 API over plain HTTP: who may call, and the headers of replies."""

from __future__ import annotations

import httpx2
import pytest

from support.server import RunningServer, StartServer


def test_token_is_needed(server: RunningServer) -> None:
    for headers in ({}, {"Authorization": "Bearer x"}):
        reply = httpx2.get(f"{server.url}/v3/Documents/x", headers=headers)
        assert reply.status_code == reply.json()["status"] == 401
        assert "WWW-Authenticate" in reply.headers


def test_subscriptions_need_a_socket(server: RunningServer) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    reply = httpx2.post(f"{server.url}/v4/Subscriptions", json={}, headers=headers)
    assert (reply.status_code, reply.json()["code"]) == (404, 20404)


def test_addresses_lead_back_here(server: RunningServer) -> None:
    headers = {"Authorization": f"Bearer {server.token()}"}
    made = httpx2.post(f"{server.url}/v3/Documents", json={}, headers=headers).json()
    assert httpx2.get(made["url"], headers=headers).json()["sid"] == made["sid"]


def test_addresses_keep_the_prefix_of_the_public_url(fresh_server: StartServer) -> None:
    server = fresh_server("--public-url=https://sync.example.com/prefix")
    headers = {"Authorization": f"Bearer {server.token()}"}
    made = httpx2.post(f"{server.url}/v3/Documents", json={}, headers=headers).json()
    assert made["url"].startswith("https://sync.example.com/prefix/v3/Services/IS")


@pytest.mark.parametrize("path", ["/v3/Documents", "/v3/Documents/x"])
def test_other_methods_name_those_that_are_allowed(server: RunningServer, path: str) -> None:
    reply = httpx2.put(f"{server.url}{path}", json={})
    assert reply.status_code == 405
    assert "POST" in reply.headers["Allow"]
