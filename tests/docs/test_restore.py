"""The steps to back up and restore of docs/operations.md, while the server is written to."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import httpx2

from support.api import DocumentsApi
from support.rest import RestClient
from support.server import RunningServer
from support.snippets import collect

(STEPS,) = (snippet.code for snippet in collect() if "appendonlydir restored" in snippet.code)


def test_a_copy_of_a_running_server_is_restored_with_its_keys(tmp_path: Path) -> None:
    with RunningServer(tmp_path / "syncline-data") as server, DocumentsApi(server) as documents:
        for number in range(20):
            documents.create(UniqueName=f"document-{number}", Data=f'{{"n": {number}}}')
        with RestClient(server, "Keys") as keys:
            key = keys.call("POST", data={"FriendlyName": "back end"}).json()
        subprocess.run(["bash", "-e", "-c", STEPS], cwd=tmp_path, check=True)
        documents.create(UniqueName="later", Data="{}")

    shutil.rmtree(tmp_path / "syncline-data")
    with RunningServer(tmp_path / "restored") as restored, DocumentsApi(restored) as documents:
        assert documents.fetch("document-19")["data"] == {"n": 19}
        assert len(documents.page()["documents"]) == 20
        reply = httpx2.get(documents.url, auth=(key["sid"], key["secret"]))
        assert reply.status_code == 200
