"""`examples/env.sh`, by which the examples find the server of this machine."""

from __future__ import annotations

import sys

from support.examples import EXAMPLES, run
from support.server import RunningServer, clean_environ

PROGRAM = """
import syncline
with syncline.Service.from_environment() as service:
    service.mint_token("ada")
    print([found.unique_name for found in service.services.list()])
"""


def test_it_sets_address_and_credentials(server: RunningServer) -> None:
    given = {"SYNCLINE_URL": server.url, "SYNCLINE_DATA_DIR": str(server.data_dir)}
    script = f'set -eu; . "{EXAMPLES}/env.sh"; exec "$@"'
    shell = "sh", "-c", script, "sh"
    assert "default" in run(*shell, sys.executable, "-c", PROGRAM, environ=clean_environ(given))
