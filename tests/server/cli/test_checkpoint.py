from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from syncline_server.cli.checkpoint import open_checkpoint
from syncline_server.config.validation import SettingError

ABOUT = {"source": "there", "target": "here"}


def test_what_is_noted_is_known_later(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with open_checkpoint(path, ABOUT) as checkpoint:
        run = checkpoint.run
        assert (checkpoint.position, checkpoint.counts) == (None, Counter())
        assert checkpoint.find_copy("ET1") is None
        checkpoint.record_copy("ET1", "ETa")
        checkpoint.record_copy("ET1", "ETb")
        checkpoint.advance("page 2", {"created": 100})
    with open_checkpoint(path, ABOUT) as checkpoint:
        assert checkpoint.run == run
        assert (checkpoint.position, checkpoint.counts) == ("page 2", Counter(created=100))
        assert checkpoint.find_copy("ET1") == "ETb"


def test_a_new_beginning_forgets_the_place_but_not_what_arrived(tmp_path: Path) -> None:
    with open_checkpoint(tmp_path / "state", ABOUT) as checkpoint:
        checkpoint.record_copy("ET1", "ETa")
        checkpoint.advance("page 2", {"created": 100})
        checkpoint.restart()
        assert (checkpoint.position, checkpoint.counts) == (None, Counter())
        assert checkpoint.find_copy("ET1") == "ETa"


def test_without_a_file_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_checkpoint(None, ABOUT) as checkpoint:
        checkpoint.record_copy("ET1", "ETa")
        assert checkpoint.find_copy("ET1") == "ETa"
    assert list(tmp_path.iterdir()) == []
    with open_checkpoint(None, ABOUT) as checkpoint:
        assert checkpoint.find_copy("ET1") is None


@pytest.mark.parametrize("name", ["source", "target"])
def test_a_file_belongs_to_one_source_and_one_target(tmp_path: Path, name: str) -> None:
    with open_checkpoint(tmp_path / "state", ABOUT):
        pass
    with (
        pytest.raises(SettingError, match=f"another import, whose {name} is {ABOUT[name]}"),
        open_checkpoint(tmp_path / "state", ABOUT | {name: "elsewhere"}),
    ):
        pass


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("somebody's notes, which are no database\n" * 100)
    before = path.read_bytes()
    with pytest.raises(SettingError, match="file is not a database"), open_checkpoint(path, ABOUT):
        pass
    assert path.read_bytes() == before


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    with (
        open_checkpoint(tmp_path / "state", ABOUT),
        pytest.raises(SettingError, match="database is locked"),
        open_checkpoint(tmp_path / "state", ABOUT),
    ):
        pass
