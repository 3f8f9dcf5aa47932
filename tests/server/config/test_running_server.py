"""The file with the URL of the running server."""

from __future__ import annotations

import json
from pathlib import Path

from syncline_server.config.running_server import FILE_NAME, RunningUrl, find_running_url


def test_the_url_is_found_while_the_server_runs(tmp_path: Path) -> None:
    running = RunningUrl(tmp_path)
    assert find_running_url(tmp_path) is None
    running.write("http://127.0.0.1:1")
    assert find_running_url(tmp_path) == "http://127.0.0.1:1"
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o077 == 0
    second = RunningUrl(tmp_path)
    second.write("http://127.0.0.1:2")
    second.remove()
    assert find_running_url(tmp_path) == "http://127.0.0.1:1"
    running.remove()
    assert not (tmp_path / FILE_NAME).exists()
    second.write("http://127.0.0.1:2")
    assert find_running_url(tmp_path) == "http://127.0.0.1:2"
    second.remove()


def test_a_file_without_a_lock_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(json.dumps({"url": "http://evil.invalid"}))
    assert find_running_url(tmp_path) is None


def test_what_is_no_url_is_not_believed(tmp_path: Path) -> None:
    for text in ("", "{", "[]", '{"url": 1}', '{"url": "file:///x"}'):
        running = RunningUrl(tmp_path)
        running.write("http://127.0.0.1:1")
        (tmp_path / FILE_NAME).write_text(text)
        assert find_running_url(tmp_path) is None
        running.remove()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("kept")
    (tmp_path / FILE_NAME).symlink_to(target)
    RunningUrl(tmp_path).write("http://127.0.0.1:1")
    assert target.read_text() == "kept"
