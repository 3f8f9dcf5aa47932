from __future__ import annotations

import io
import sys
from pathlib import Path

import click
import pytest

from support.certificates import CertificateAuthority
from syncline_server.cli.parameters import Address, Authority, Identity, JsonData, Url

NOT_TEXT = "caf\udce9"
"""What Python makes of the bytes `caf\\xe9` in an argument, under UTF-8."""


def test_json_is_taken_as_it_stands() -> None:
    assert JsonData()('{"a": [1, null, "é"]}') == {"a": [1, None, "é"]}


def test_json_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "data.json"
    file.write_text('{\n  "a": 1\n}\n')
    assert JsonData()(f"@{file}") == {"a": 1}


def test_json_is_read_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO('{"a": "é"}'.encode())))
    assert JsonData()("-") == {"a": "é"}


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "not valid JSON"),
        ("{", "not valid JSON"),
        ("{'a': 1}", "not valid JSON"),
        ("[]", "must be a JSON object"),
        ("null", "must be a JSON object"),
        ('{"a": NaN}', "not a JSON number"),
        ('{"a": 1, "a": 2}', "stands twice"),
        ('{"a": 1e400}', "too large"),
        ('{"a": ' * 100 + "1" + "}" * 100, "deep"),
    ],
)
def test_what_is_no_json_object_is_refused(value: str, reason: str) -> None:
    with pytest.raises(click.BadParameter, match=reason):
        JsonData()(value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(click.BadParameter, match=r"absent\.json cannot be read: No such file"):
        JsonData()(f"@{tmp_path / 'absent.json'}")


@pytest.mark.parametrize("url", ["http://h", "https://h:1/base/", "ws://h", "wss://[::1]:8040"])
def test_a_url_may_be_of_http_or_of_websockets(url: str) -> None:
    assert Url()(url) == url


@pytest.mark.parametrize("url", ["", "localhost:8040", "ftp://h", "http://", "http://h?a=1"])
def test_another_url_is_refused(url: str) -> None:
    with pytest.raises(click.BadParameter, match="the server's URL must"):
        Url()(url)


def test_a_url_must_not_hold_credentials() -> None:
    with pytest.raises(click.BadParameter, match="no query, fragment or credentials") as refused:
        Url()("http://alice:secret@h")
    assert "secret" not in refused.value.message


@pytest.mark.parametrize("name", ["a", "user/prefs ✓", "-", "x" * 320])
def test_any_text_names_a_document(name: str) -> None:
    assert Address()(name) == name


def test_a_document_has_a_name() -> None:
    with pytest.raises(click.BadParameter, match="must not be empty"):
        Address()("")


@pytest.mark.parametrize("kind", [Address(), Identity()])
def test_bytes_that_are_no_text_are_refused(kind: click.ParamType[str]) -> None:
    with pytest.raises(click.BadParameter, match="not valid UTF-8"):
        kind(NOT_TEXT)


@pytest.mark.parametrize("identity", ["a", "é" * 256])
def test_an_identity_has_up_to_256_characters(identity: str) -> None:
    assert Identity()(identity) == identity


@pytest.mark.parametrize("identity", ["", "é" * 257])
def test_an_identity_of_another_length_is_refused(identity: str) -> None:
    with pytest.raises(click.BadParameter, match="1 to 256"):
        Identity()(identity)


def test_an_authority_is_the_only_one_that_is_trusted(authority: CertificateAuthority) -> None:
    [trusted] = Authority()(str(authority.certificate)).get_ca_certs()
    assert trusted["subject"] == ((("commonName", "Authority of this test"),),)


def test_a_file_that_names_no_authority_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    with pytest.raises(click.BadParameter, match="empty.pem contains no certificate in PEM format"):
        Authority()(str(tmp_path / "empty.pem"))
    with pytest.raises(click.BadParameter, match="none.pem cannot be read: No such file"):
        Authority()(str(tmp_path / "none.pem"))
