"""The config file: what it may say, and the one line that says what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from syncline_server.config.config_file import read_config_file
from syncline_server.config.validation import SettingError

NAMES = ("port", "data_dir", "cors_origins", "hsts")


def read(tmp_path: Path, text: str) -> dict[str, object]:
    path = tmp_path / "syncline.toml"
    path.write_text(text)
    return read_config_file(path, NAMES)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("", {}),
        ("port = 8041", {"port": 8041}),
        ('data-dir = "x"\nport = 1', {"data_dir": "x", "port": 1}),
        ('data_dir = "x"', {"data_dir": "x"}),
        ("[tls]\nhsts = 5\n[network.public]\nport = 80", {"hsts": 5, "port": 80}),
        (
            'cors_origins = ["https://a.b", "https://c.d"]',
            {"cors_origins": "https://a.b,https://c.d"},
        ),
    ],
)
def test_settings_are_read(tmp_path: Path, text: str, settings: dict[str, object]) -> None:
    assert read(tmp_path, text) == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("prot = 1", "the setting prot is unknown; did you mean port?"),
        ("frobnicate = 1", "the setting frobnicate is unknown"),
        ("hsts = 1\n[tls]\nhsts = 2", "the setting hsts is there twice"),
        ("data-dir = 'a'\ndata_dir = 'b'", "the setting data_dir is there twice"),
        ("port = ", "is not TOML"),
        ("port = [1, 2]", "port must be a text, a number, true, false or a list of texts"),
        ("port = 2026-11-30", "port must be a text, a number, true, false or a list of texts"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_file(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SettingError) as raised:
        read(tmp_path, text)

    assert said in str(raised.value) and "syncline.toml" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none\.toml cannot be read: No such file"):
        read_config_file(tmp_path / "none.toml", NAMES)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingError, match=r"binary\.toml is not TOML"):
        read_config_file(tmp_path / "binary.toml", NAMES)
