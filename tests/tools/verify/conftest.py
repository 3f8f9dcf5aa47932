from __future__ import annotations

import pytest

from support.server import RunningServer
from support.verify import Outcome, run_verify


@pytest.fixture(scope="session")
def recorded(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """One run with every kind of fault, against a real server."""
    directory = tmp_path_factory.mktemp("verify")
    return run_verify(server, directory, "--duration=5", "--seed=3", "--rate=60")
