from __future__ import annotations

import pytest

from support.server import RunningServer
from support.verify import Outcome, run_until_conclusive


@pytest.fixture(scope="session")
def recorded(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run about documents with every kind of fault, against a real server."""
    directory = tmp_path_factory.mktemp("verify")
    options = ("--seed=3", "--rate=60", "--types=documents")
    return run_until_conclusive(server, directory, *options, seconds=5)


@pytest.fixture(scope="session")
def recorded_items(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run about lists, maps and streams with every kind of fault, against a real server."""
    directory = tmp_path_factory.mktemp("verify-items")
    options = ("--seed=5", "--rate=100", "--types=lists,maps,streams")
    return run_until_conclusive(server, directory, *options, seconds=4)
