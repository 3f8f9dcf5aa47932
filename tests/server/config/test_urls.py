from __future__ import annotations

import pytest

from syncline_server.config.urls import is_loopback, is_secure


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "example.org", "10.0.0.1", "localhost.example.org", "::2"])
def test_another_machine(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url",
    [
        "https://id.example.org",
        "https://id.example.org:8443/realms/a/",
        "https://id.example.org/keys?version=2",
        "http://127.0.0.1:8080/realms/a",
        "http://localhost",
        "http://[::1]:8080",
    ],
)
def test_nobody_on_the_way_can_answer(url: str) -> None:
    assert is_secure(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "id.example.org",
        "//id.example.org",
        "https://",
        "https:///path",
        "http://id.example.org",
        "http://10.0.0.1",
        "http://127.0.0.1.example.org",
        "http://localhost@example.org",
        "https://user:secret@id.example.org",
        "https://id.example.org:port",
        "https://[::1",
        "https://é.example.org",
        "https://id.example.org/a b",
        "https://id.example.org/\n",
        "ftp://127.0.0.1",
        "file:///etc/passwd",
        "unix:///run/socket",
    ],
)
def test_somebody_on_the_way_could_or_it_is_no_url(url: str) -> None:
    assert not is_secure(url)
