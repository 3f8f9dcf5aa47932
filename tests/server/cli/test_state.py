from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from syncline_server.cli.state import opened
from syncline_server.config.validation import SettingError

ABOUT = {"source": "there", "target": "here"}


def test_what_is_noted_is_known_later(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path, ABOUT) as state:
        run = state.run
        assert (state.position, state.counts) == (None, Counter())
        assert state.target_of("ET1") is None
        state.arrived("ET1", "ETa")
        state.arrived("ET1", "ETb")
        state.advance("page 2", {"created": 100})
    with opened(path, ABOUT) as state:
        assert state.run == run
        assert (state.position, state.counts) == ("page 2", Counter(created=100))
        assert state.target_of("ET1") == "ETb"


def test_a_new_beginning_forgets_the_place_but_not_what_arrived(tmp_path: Path) -> None:
    with opened(tmp_path / "state", ABOUT) as state:
        state.arrived("ET1", "ETa")
        state.advance("page 2", {"created": 100})
        state.begin()
        assert (state.position, state.counts) == (None, Counter())
        assert state.target_of("ET1") == "ETa"


def test_without_a_file_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with opened(None, ABOUT) as state:
        state.arrived("ET1", "ETa")
        assert state.target_of("ET1") == "ETa"
    assert list(tmp_path.iterdir()) == []
    with opened(None, ABOUT) as state:
        assert state.target_of("ET1") is None


@pytest.mark.parametrize("name", ["source", "target"])
def test_a_file_belongs_to_one_source_and_one_target(tmp_path: Path, name: str) -> None:
    with opened(tmp_path / "state", ABOUT):
        pass
    with (
        pytest.raises(SettingError, match=f"another import, whose {name} is {ABOUT[name]}"),
        opened(tmp_path / "state", ABOUT | {name: "elsewhere"}),
    ):
        pass


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_text("somebody's notes, which are no database\n" * 100)
    before = path.read_bytes()
    with pytest.raises(SettingError, match="file is not a database"), opened(path, ABOUT):
        pass
    assert path.read_bytes() == before


def test_a_file_in_use_is_refused(tmp_path: Path) -> None:
    with (
        opened(tmp_path / "state", ABOUT),
        pytest.raises(SettingError, match="database is locked"),
        opened(tmp_path / "state", ABOUT),
    ):
        pass
