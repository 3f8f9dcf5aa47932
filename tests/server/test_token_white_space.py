"""White space around a token, as it comes from files and copied lines, on every wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection

import pytest

from support.account import Account
from support.api import unique
from support.limits import WAIT_LIMIT
from support.provider import OpenIdProvider
from support.server import RunningServer
from support.socket import native_socket
from support.twilsock import twilsock_client

AROUND = ["{} ", "  {}", "\t{}\t"]
"""What a header can carry; what stands in JSON may have line breaks too."""

IN_JSON = [*AROUND, "{}\n", "\r\n{}\r\n"]


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, engine: list[str], provider: OpenIdProvider
) -> Iterator[RunningServer]:
    data_dir = tmp_path_factory.mktemp("tokens") / "data"
    with RunningServer(data_dir, *provider.options, *engine) as running:
        yield running


@pytest.fixture(params=["of a key", "of the provider"])
def token(request: pytest.FixtureRequest, server: RunningServer, provider: OpenIdProvider) -> str:
    return server.token("alice") if request.param == "of a key" else provider.token()


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("wire", ["rest", "v3", "sse"])
def test_over_http(
    server: RunningServer, account: Account, token: str, wire: str, around: str
) -> None:
    sid = account.document("default", unique())
    documents = f"/v1/Services/default/Documents/{sid}"
    paths = {"rest": documents, "v3": f"/v3/Documents/{sid}", "sse": f"{documents}/Events"}
    # Not an HTTP client that refuses such a header itself.
    connection = HTTPConnection("127.0.0.1", server.port, timeout=WAIT_LIMIT)
    with closing(connection):
        headers = {"Authorization": f"Bearer {around.format(token)}"}
        connection.request("GET", paths[wire], headers=headers)
        assert connection.getresponse().status == 200


@pytest.mark.parametrize("around", IN_JSON)
async def test_over_the_native_socket(server: RunningServer, token: str, around: str) -> None:
    async with native_socket(server, auth=False) as socket:
        for _ in range(2):  # the first token, and one that takes its place
            await socket.ok("auth", token=around.format(token))


@pytest.mark.parametrize("around", IN_JSON)
async def test_over_twilsock(server: RunningServer, token: str, around: str) -> None:
    async with twilsock_client(server, init=False) as client:
        for method in ("init", "update"):
            reply = await client.ask(method, token=around.format(token))
            assert reply["status"]["code"] == 200, reply
