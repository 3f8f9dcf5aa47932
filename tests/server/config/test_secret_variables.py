"""Secrets in files that variables name."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline_server.config.secret_variables import SIZE_LIMIT, read_secret_files
from syncline_server.config.validation import SettingError


@pytest.mark.parametrize("content", ["secret", "secret\n", "secret\r\n", "secret\n\n"])
def test_a_file_gives_the_secret_without_line_breaks_at_its_end(
    tmp_path: Path, content: str
) -> None:
    path = tmp_path / "token"
    path.write_text(content, newline="")

    assert read_secret_files({"SYNCLINE_AUTH_TOKEN_FILE": str(path)}) == {
        "SYNCLINE_AUTH_TOKEN": "secret"
    }


def test_no_variable_means_no_file() -> None:
    environ = {"SYNCLINE_AUTH_TOKEN_FILE": "", "SYNCLINE_AUTH_TOKEN": "kept", "OTHER_FILE": "/none"}

    assert read_secret_files(environ) == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b"\n", "is empty"),
        (b"\xff", "is not UTF-8"),
        (b"x" * (SIZE_LIMIT + 1), f"has more than {SIZE_LIMIT} bytes"),
    ],
)
def test_an_unusable_file_is_named_with_its_variable(
    tmp_path: Path, content: bytes, said: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)

    with pytest.raises(SettingError, match=f"SYNCLINE_MASTER_KEY_FILE: .*key {said}"):
        read_secret_files({"SYNCLINE_MASTER_KEY_FILE": str(path)})


def test_a_missing_file_and_a_variable_that_is_set_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="SYNCLINE_REDIS_URL_FILE: .* cannot be read"):
        read_secret_files({"SYNCLINE_REDIS_URL_FILE": str(tmp_path / "none")})
    with pytest.raises(SettingError, match="SYNCLINE_API_KEYS and SYNCLINE_API_KEYS_FILE"):
        read_secret_files({"SYNCLINE_API_KEYS": "x", "SYNCLINE_API_KEYS_FILE": "/y"})
