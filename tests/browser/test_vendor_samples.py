"""The vendor's JavaScript samples of documents run on the browser client, but for the import.

Each test is named after the declaration that its sample is printed with. The samples are read from
the vendor's package; what is no JavaScript in them as printed (a missing comma, a parenthesis too
many, `.then(...)`) is fixed, and the place that they leave for a token is filled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
import pytest_asyncio

import syncline
from support.browser import Browsing
from support.samples import read_readme_sample, read_samples
from support.server import RunningServer, StartServer

pytestmark = pytest.mark.asyncio(loop_scope="session")

NAME = "MyDocument"
"""What the vendor's samples call their document."""

PLACEHOLDER = "<your-access-token-here>"

DOCUMENT = read_samples("SyncDocument")
CLIENT = read_samples("Client")
OPENING = read_samples("OpenOptions")["OpenOptions"]

PAGE = """<!doctype html>
<link rel="icon" href="data:,">
<script type="module">
  import * as Sync from "/syncline.js";
  const Twilio = { Sync };
  const plain = (value) => (value instanceof Error ? `${value}` : value);
  for (const level of ["log", "error"]) {
    console[level] = (...values) => record(level, values.map(plain));
  }
  %s
</script>"""

WITH_CLIENT = """
  const token = %s;
  const syncClient = new Twilio.Sync.Client(token);
  %s"""

WITH_DOCUMENT = """
  const token = %s;
  const syncClient = new Twilio.Sync.Client(token);
  const document = await syncClient.document("MyDocument");
  %s
  console.log("ready");"""


class Stage:
    """Where samples run: pages that hand over what they write to the console.

    Attributes:
        server: the one that the pages come from.
        token: what `syncClient` is given.
    """

    def __init__(self, browsing: Browsing, server: RunningServer) -> None:
        self.server = server
        self.token = server.token("ada")
        self._browsing = browsing
        self._written: asyncio.Queue[tuple[str, list[Any]]] = asyncio.Queue()

    async def run(self, code: str) -> None:
        """Run a module in a new page."""
        await self._browsing.open_blank(
            self.server, PAGE % code, record=lambda *line: self._written.put_nowait(line)
        )

    async def run_with_client(self, code: str) -> None:
        """The same, where `syncClient` is a client."""
        await self.run(WITH_CLIENT % (quote(self.token), code))

    async def run_with_document(self, code: str) -> None:
        """The same, where `document` is `MyDocument`; it writes `ready` at its end."""
        await self.run(WITH_DOCUMENT % (quote(self.token), code))

    async def written(self) -> list[Any]:
        """The next line that `console.log` was given; an error fails the test."""
        level, values = await self._written.get()
        assert level == "log", values
        return values

    async def error(self) -> list[Any]:
        """The next line that `console.error` was given."""
        level, values = await self._written.get()
        assert level == "error", values
        return values


def quote(text: str) -> str:
    return orjson.dumps(text).decode()


@pytest_asyncio.fixture(loop_scope="session")
async def other(server: RunningServer) -> AsyncIterator[syncline.Client]:
    """Another client of the same server, which sees to it that `MyDocument` does not exist."""
    async with syncline.connect(server.url, token=server.token("other")) as client:
        await (await client.document(NAME)).remove()
        yield client


@pytest.fixture
def stage(browsing: Browsing, server: RunningServer, other: syncline.Client) -> Stage:
    return Stage(browsing, server)


async def test_every_document_sample_has_a_test() -> None:
    tested = ["removed", "updated", "set", "mutate", "update", "setTtl", "removeDocument", "close"]
    assert list(DOCUMENT) == tested


@pytest.mark.parametrize("way", ["NPM", "CDN"])
async def test_client(stage: Stage, way: str) -> None:
    npm, cdn = CLIENT["Client"].split("// Using CDN")
    code = {"CDN": cdn, "NPM": npm.replace("require('twilio-sync')", "Sync.SyncClient")}[way]
    token = f"const token = {quote(stage.token)};"
    await stage.run(f"{token} {code}; console.log((await syncClient.document()).data);")
    assert await stage.written() == [{}]


async def test_client_document(stage: Stage, other: syncline.Client) -> None:
    await stage.run_with_client(CLIENT["document"])
    text, sid = await stage.written()
    document = await other.document(NAME, mode="open_existing")
    assert (text, sid) == ("Successfully opened a document. SID:", document.sid)
    await document.set({"name": "Ada"})
    text, event = await stage.written()
    assert text == 'Received an "updated" event: '
    assert (event["data"], event["previousData"], event["isLocal"]) == ({"name": "Ada"}, {}, False)


@pytest.mark.parametrize("exists", [True, False])
async def test_open_existing(stage: Stage, other: syncline.Client, exists: bool) -> None:
    if exists:
        await other.document(NAME)
    code, _ = fix_opening(OPENING)
    await stage.run_with_client(code)
    outcome = ["opened", {}] if exists else ["refused", 404]
    assert await stage.written() == outcome


@pytest.mark.parametrize("exists", [True, False])
async def test_create_new(stage: Stage, other: syncline.Client, exists: bool) -> None:
    if exists:
        await other.document(NAME)
    _, code = fix_opening(OPENING)
    await stage.run_with_client(code)
    outcome = ["refused", 409] if exists else ["opened", {"name": "John Smith"}]
    assert await stage.written() == outcome
    if not exists:
        assert_lives_for(86400, (await other.document(NAME)).date_expires)


def fix_opening(printed: str) -> tuple[str, str]:
    """The two ways to open, as code."""
    code = (
        printed.replace("ttl: 86400\n", "ttl: 86400,\n")
        .replace(".then(...)", ".then((document) => console.log('opened', document.data))")
        .replace(".catch(...)", ".catch((error) => console.log('refused', error.status))")
    )
    existing, mark, new = code.partition("// Attempts to create")
    return existing, mark + new


def assert_lives_for(seconds: int, date_expires: datetime | None) -> None:
    assert date_expires is not None
    missing = datetime.now(UTC) + timedelta(seconds=seconds) - date_expires
    assert timedelta(seconds=-5) < missing < timedelta(minutes=2)


async def test_set(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME, data={"name": "John Smith", "age": 34})
    await stage.run_with_document(DOCUMENT["set"])
    assert await stage.written() == ["ready"]
    assert await stage.written() == [
        "Document set() successful, new data:",
        {"name": "Barbara Oaks"},
    ]
    await wait_for_data(document, {"name": "Barbara Oaks"})
    assert_lives_for(86400, document.date_expires)


async def wait_for_data(document: syncline.Document, data: dict[str, Any]) -> None:
    """Wait until another client has received the data."""
    events = document.events()
    while document.data != data:
        await anext(events)


async def test_mutate(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME, data={"viewCount": 41, "kept": True})
    await stage.run_with_document(DOCUMENT["mutate"].replace("}))", "})"))
    assert await stage.written() == ["ready"]
    expected = {"viewCount": 42, "kept": True}
    assert await stage.written() == ["Document mutate() successful, new data:", expected]
    await wait_for_data(document, expected)
    assert_lives_for(86400, document.date_expires)


async def test_update(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME, data={"name": "John Smith"})
    await stage.run_with_document(DOCUMENT["update"])
    assert await stage.written() == ["ready"]
    expected = {"name": "John Smith", "age": 34}
    assert await stage.written() == ["Document update() successful, new data:", expected]
    await wait_for_data(document, expected)
    assert_lives_for(86400, document.date_expires)


async def test_set_ttl(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME)
    events = document.events()
    await stage.run_with_document(DOCUMENT["setTtl"])
    assert await stage.written() == ["ready"]
    assert await stage.written() == ["Document setTtl() successful"]
    await anext(events)
    assert_lives_for(3600, document.date_expires)


async def test_remove_document(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME)
    events = document.events()
    await stage.run_with_document(DOCUMENT["removeDocument"])
    assert await stage.written() == ["ready"]
    assert await stage.written() == ["Document removeDocument() successful"]
    assert (await anext(events)).name == "removed"


async def test_updated(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME, data={"name": "John Smith"})
    await stage.run_with_document(DOCUMENT["updated"])
    assert await stage.written() == ["ready"]
    await document.set({"name": "Barbara Oaks"})
    assert await stage.written() == [f"Document {document.sid} was updated"]
    assert await stage.written() == ["args.data:", {"name": "Barbara Oaks"}]
    assert await stage.written() == ["args.isLocal:", False]
    assert await stage.written() == ["args.previousData:", {"name": "John Smith"}]


async def test_removed(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME, data={"name": "John Smith"})
    await stage.run_with_document(DOCUMENT["removed"])
    assert await stage.written() == ["ready"]
    await document.remove()
    assert await stage.written() == [f"Document {document.sid} was removed"]
    assert await stage.written() == ["args.isLocal:", False]
    assert await stage.written() == ["args.previousData:", {"name": "John Smith"}]


async def test_close(stage: Stage) -> None:
    then = "document.set({}).catch((error) => console.error(error.message));"
    await stage.run_with_document(DOCUMENT["close"] + then)
    assert await stage.written() == ["ready"]
    assert await stage.error() == ["Invalid operation on closed object"]


async def test_set_failed(stage: Stage, other: syncline.Client) -> None:
    """The same sample as `set`, on a document that somebody has removed."""
    remove = "await document.removeDocument();"
    await stage.run_with_document(remove + DOCUMENT["set"])
    assert await stage.written() == ["ready"]
    text, error = await stage.error()
    assert text == "Document set() failed"
    assert error.startswith("SynclineError: ")


async def test_readme(stage: Stage, other: syncline.Client) -> None:
    document = await other.document(NAME)
    await stage.run(read_readme_sample().replace(PLACEHOLDER, stage.token))
    lines = [await stage.written(), await stage.written()]
    assert ["The Document was successfully updated", {"temperature": 23}] in lines
    assert ["Received Document update event. New data:", {"temperature": 23}] in lines
    await wait_for_data(document, {"temperature": 23})


async def test_client_connection_state_changed(stage: Stage) -> None:
    await stage.run_with_client(CLIENT["connectionStateChanged"])
    assert await stage.written() == ["Received a new connection state:", "connected"]


async def test_client_connection_error(fresh_server: StartServer, browsing: Browsing) -> None:
    server = fresh_server()
    stage = Stage(browsing, server)
    await stage.run_with_document(CLIENT["connectionError"])
    assert await stage.written() == ["ready"]
    await asyncio.to_thread(server.stop)
    text, _ = await stage.error()
    assert text == "Connection was interrupted:"
    assert await stage.error() == ["Is terminal:", False]
    await browsing.forget_errors()  # Chromium itself logs each attempt to connect that fails


async def test_client_token_about_to_expire(stage: Stage) -> None:
    replacement = stage.server.token("ada")
    stage.token = stage.server.token("ada", ttl=2)
    spy = """
      const update = syncClient.updateToken.bind(syncClient);
      syncClient.updateToken = (token) => update(token).then(() => console.log("accepted"));
    """
    sample = CLIENT["tokenAboutToExpire"].replace(PLACEHOLDER, replacement)
    await stage.run_with_document(spy + sample)
    assert await stage.written() == ["ready"]
    assert await stage.written() == ["accepted"]
