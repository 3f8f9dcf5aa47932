from __future__ import annotations

import pytest

from support.server import RunningServer
from support.verify import Outcome, run_verify


@pytest.fixture(scope="session")
def recorded(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run about documents with every kind of fault, against a real server."""
    directory = tmp_path_factory.mktemp("verify")
    options = ("--duration=5", "--seed=3", "--rate=60", "--types=documents")
    return run_verify(server, directory, *options)


@pytest.fixture(scope="session")
def recorded_items(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run about lists, maps and streams with every kind of fault, against a real server."""
    directory = tmp_path_factory.mktemp("verify-items")
    options = ("--duration=4", "--seed=5", "--rate=100", "--types=lists,maps,streams")
    return run_verify(server, directory, *options)
