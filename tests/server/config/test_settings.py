from __future__ import annotations

from dataclasses import Field, asdict, fields
from pathlib import Path
from typing import Any

import orjson
import pytest

from syncline_server.config.settings import Settings
from syncline_server.config.validation import SettingError

FIELDS = {each.name: each for each in fields(Settings)}
BOUNDED = [name for name, each in FIELDS.items() if "least" in each.metadata]
CHOSEN = [name for name, each in FIELDS.items() if "choices" in each.metadata]


def made(name: str, value: Any) -> Settings:
    """Settings with one that is not the default."""
    values: dict[str, Any] = {name: value}
    return Settings(**values)


def option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def bound(name: str, which: str) -> Any:
    return FIELDS[name].metadata[which]


def test_the_defaults_are_good() -> None:
    settings = Settings()
    assert (settings.host, settings.port) == ("127.0.0.1", 8040)
    assert settings.data_limit == 16_384
    assert settings.appendfsync == "always"
    assert settings.redis_url is None
    assert not settings.demo


@pytest.mark.parametrize("each", FIELDS.values(), ids=FIELDS)
def test_each_setting_says_what_it_is(each: Field[Any]) -> None:
    help = each.metadata["help"]
    assert help[0].isupper() and help.endswith(".") and "\n" not in help


@pytest.mark.parametrize("name", BOUNDED)
def test_a_setting_goes_from_its_least_to_its_most(name: str) -> None:
    for which in ("least", "most"):
        assert getattr(made(name, bound(name, which)), name) == bound(name, which)


@pytest.mark.parametrize("name", BOUNDED)
def test_beyond_its_bounds_a_setting_is_refused(name: str) -> None:
    least, most = bound(name, "least"), bound(name, "most")
    for value in (least - 1, most + 1, -1e300, float("inf"), float("nan")):
        with pytest.raises(SettingError) as caught:
            made(name, value)
        assert str(caught.value).startswith(option(name))
        assert f"from {least} to {most}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CHOSEN)
def test_of_choices_nothing_else_is_taken(name: str) -> None:
    choices = bound(name, "choices")
    for choice in choices:
        assert getattr(made(name, choice), name) == choice
    for value in ("", "other", choices[0].upper()):
        with pytest.raises(SettingError, match=f"{option(name)} must be one of {choices[0]}, "):
            made(name, value)


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("public_url", "https://sync.example.org"),
        ("public_url", "http://127.0.0.1:8040/prefix"),
        ("public_url", "http://[::1]:8040"),
        ("redis_url", "redis://user:secret@example.org:6379/0"),
        ("redis_url", "rediss://example.org"),
        ("redis_url", "unix:///run/redis.sock"),
    ],
)
def test_a_url_of_the_right_kind_is_taken(name: str, url: str) -> None:
    assert getattr(made(name, url), name) == url


@pytest.mark.parametrize("name", ["public_url", "redis_url"])
@pytest.mark.parametrize(
    "url",
    [
        "",
        "example.org",
        "ftp://se:cret@example.org",
        "//example.org",
        "http://",
        "redis://",
        "http://example.org:port",
        "redis://:secret@example.org:port",
        "redis://:sec/ret@example.org:6379",
        "http://[::1",
    ],
)
def test_another_url_is_refused_and_not_repeated(name: str, url: str) -> None:
    with pytest.raises(SettingError) as caught:
        made(name, url)
    assert str(caught.value).startswith(f"{option(name)} must be a URL that begins with")
    assert "example" not in str(caught.value) and "secret" not in str(caught.value)


def test_the_limits_of_bodies_follow_that_of_data() -> None:
    for limit in (64, 16_384, 1024 * 1024):
        settings = Settings(data_limit=limit)
        # Each byte of a document as %5Cu00e9 is half of.
        assert settings.body_limit >= 8 * limit
        assert settings.socket_message_limit >= settings.body_limit


def test_the_limits_of_bodies_follow_the_largest_data() -> None:
    for name in ("data_limit", "item_limit", "message_limit"):
        settings = made(name, 500_000)
        assert settings.largest_data == 500_000
        assert settings.body_limit >= 8 * 500_000
        assert settings.values_limit >= 500_000


@pytest.mark.parametrize(
    ("given", "origins"),
    [
        ("*", ["*"]),
        ("", []),
        ("https://a.example", ["https://a.example"]),
        (
            " https://a.example ,https://b.example:8443,, ",
            ["https://a.example", "https://b.example:8443"],
        ),
        ("capacitor://localhost, app://a.b", ["capacitor://localhost", "app://a.b"]),
    ],
)
def test_origins_are_taken_apart(given: str, origins: list[str]) -> None:
    settings = Settings(cors_origins=given)
    assert settings.origins == origins
    # Sockets follow, until they have a list of their own.
    assert settings.socket_origins == origins
    own = Settings(cors_origins="https://other.example", ws_origins=given)
    assert (own.origins, own.socket_origins) == (["https://other.example"], origins)


@pytest.mark.parametrize("name", ["cors_origins", "ws_origins"])
@pytest.mark.parametrize(
    "given",
    ["a.example", "https://a.example/", "https://", "null", "*.example", "wss://a.example", "a b"],
)
def test_what_browsers_never_send_as_an_origin_is_refused(name: str, given: str) -> None:
    with pytest.raises(SettingError) as caught:
        made(name, f"https://b.example,{given}")
    assert str(caught.value) == (
        f"{option(name)} must be '*' or origins such as https://app.example.com, not {given!r}"
    )


def test_networks_of_webhooks_are_such() -> None:
    given = Settings(webhook_networks="10.0.0.0/8, fd00::/8").webhook_private_networks
    assert [str(network) for network in given] == ["10.0.0.0/8", "fd00::/8"]
    with pytest.raises(SettingError, match="^--webhook-networks must be addresses or networks"):
        Settings(webhook_networks="intranet")


def test_proxies_are_addresses_and_networks() -> None:
    assert Settings().proxies == []
    given = Settings(trusted_proxies=" 10.0.0.0/8, 192.0.2.7,2001:db8::/32,")
    assert [str(n) for n in given.proxies] == ["10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32"]


@pytest.mark.parametrize("given", ["localhost", "*", "10.0.0.1/8", "10.0.0.0/33", "10.0.0", "::g"])
def test_what_is_neither_is_refused(given: str) -> None:
    with pytest.raises(SettingError) as caught:
        Settings(trusted_proxies=f"10.0.0.1,{given}")
    said = "--trusted-proxies must be addresses or networks such as 10.0.0.0/8, separated by commas"
    assert str(caught.value).startswith(said) and given in str(caught.value)


def test_settings_go_to_another_process_as_json() -> None:
    settings = Settings(data_dir=Path("/data/é"), port=1, demo=True, redis_timeout=0.5)
    sent = orjson.dumps(asdict(settings), default=str)
    assert Settings.of(orjson.loads(sent)) == settings


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        Settings().port = 1  # type: ignore[misc]
