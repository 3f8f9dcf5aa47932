from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from syncline_server.storage.redis.address import Address


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", Address()),
        ("redis://example.org", Address(host="example.org")),
        ("redis://example.org:6380/2", Address(host="example.org", port=6380, database=2)),
        ("redis://example.org?db=3", Address(host="example.org", database=3)),
        ("redis://[::1]:6380", Address(host="::1", port=6380)),
        ("redis://:secret@example.org", Address(host="example.org", password="secret")),
        (
            "redis://user:s%40%3A%2Fcret@example.org",
            Address(host="example.org", username="user", password="s@:/cret"),
        ),
        ("unix:///run/redis.sock", Address(path="/run/redis.sock")),
        (
            "unix://user:secret@/run/re%20dis.sock?db=4",
            Address(path="/run/re dis.sock", database=4, username="user", password="secret"),
        ),
    ],
)
def test_what_a_url_says(url: str, address: Address) -> None:
    assert Address.parse(url) == address


@pytest.mark.parametrize(
    "url",
    ["", "http://example.org", "redis://example.org:x", "redis://[::1", "example.org"],
)
def test_a_url_that_cannot_be_read_is_refused(url: str) -> None:
    with pytest.raises(ValueError):
        Address.parse(url)


def test_tls_checks_certificate_and_name() -> None:
    tls = Address.parse("rediss://example.org").tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_REQUIRED
    assert tls.check_hostname


@pytest.mark.parametrize("value", ["false", "False", "no", "0"])
def test_the_name_in_the_certificate_may_be_left_unchecked(value: str) -> None:
    tls = Address.parse(f"rediss://example.org?ssl_check_hostname={value}").tls
    assert tls is not None
    assert not tls.check_hostname
    assert tls.verify_mode is ssl.CERT_REQUIRED


def test_the_certificate_may_be_left_unchecked() -> None:
    tls = Address.parse("rediss://example.org?ssl_cert_reqs=none").tls
    assert tls is not None
    assert tls.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
def test_a_certificate_that_is_not_there_is_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(OSError):
        Address.parse(f"rediss://example.org?{option}={tmp_path / 'none.pem'}")


def test_what_is_shown_holds_no_password() -> None:
    address = Address.parse("redis://user:secret@example.org:6380")
    assert str(address) == "example.org:6380"
    assert "secret" not in repr(address)
    assert str(Address(path="/run/redis.sock")) == "/run/redis.sock"
