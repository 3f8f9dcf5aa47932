from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.account import Account
from support.conformance import Things
from support.keys import KeysApi
from support.server import RunningServer


@pytest.fixture(scope="module")
def things(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Things]:
    """On a server of its own: services and keys come and go."""
    with (
        RunningServer(tmp_path_factory.mktemp("conformance") / "data") as server,
        Account(server) as account,
        KeysApi(server) as keys,
    ):
        yield Things(server, account, keys)
