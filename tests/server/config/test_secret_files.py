from __future__ import annotations

from pathlib import Path

import pytest

from syncline_server.config.secret_files import read_secret_file, write_secret_file
from syncline_server.config.validation import SettingError


def test_what_is_written_can_be_read_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_secret_file(file, "text")
    assert read_secret_file(file) == b"text\n"
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_there_stays(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    write_secret_file(file, "first")
    write_secret_file(file, "second")
    assert read_secret_file(file) == b"first\n"


def test_a_missing_file_is_distinguished(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_secret_file(tmp_path / "none")


def test_what_cannot_be_read_is_reported_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read") as caught:
        read_secret_file(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_mode_counts_that_a_link_leads_to(tmp_path: Path) -> None:
    file, link = tmp_path / "secret", tmp_path / "link"
    write_secret_file(file, "text")
    link.symlink_to(file)
    assert read_secret_file(link) == b"text\n"
    file.chmod(0o644)
    with pytest.raises(SettingError, match="644"):
        read_secret_file(link)
