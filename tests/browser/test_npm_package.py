"""The npm package in an application of Vite, and its builds in pages without a bundler."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

import pytest

from support.browser import Browsing
from support.npm import NODE_MODULES, create_project, pack, run_in
from support.server import RunningServer

in_session = pytest.mark.asyncio(loop_scope="session")

INDEX = """<!doctype html><title>An application</title><link rel="icon" href="data:,">
<body><script type="module" src="/src/main.ts"></script></body>
"""

MAIN = """
import { Client, type MapItem, SynclineError, type UpdatedEvent } from "syncline";

interface Lobby { open: boolean; visits: number }
type Player = { score: number };

const { url, token, name } = Object.fromEntries(new URLSearchParams(location.search));
const lines: string[] = [];
const client = new Client(async () => token, { url, debug: (line) => lines.push(line) });
const lobby = await client.document<Lobby>({ id: name, data: { open: true, visits: 0 } });
const received: number[] = [];
const receive = ({ data }: UpdatedEvent<Lobby>) => received.push(data.visits);
const unsubscribe = lobby.on("updated", receive);
const updated = new Promise((resolve) => lobby.once("updated", resolve));
await lobby.mutate((data) => ({ ...data, visits: data.visits + 1 }));
await updated;
unsubscribe();
await lobby.update({ visits: 5 });
const players = await client.map<Player>(name);
const alice: MapItem<Player> = await players.set("alice", { score: 1 });
await players.increment(alice.key, "/score", 2);
const replica = players.replica();
await replica.ready;
let refusal = "";
try {
  await players.add("alice", { score: 0 });
} catch (error) {
  if (error instanceof SynclineError) refusal = `${error.status}/${error.code}`;
}
let unknown = "";
try {
  lobby.on("update" as "updated", () => {});
} catch (error) {
  unknown = String(error);
}
const { transport } = client;
await client.shutdown();
const items = replica.items().map((item) => item.data);
const result = { data: lobby.data, received, items, refusal };
const output = document.createElement("output");
output.textContent = JSON.stringify({ ...result, transport, unknown, logs: lines.length > 9 });
document.body.append(output);
"""

WRONG = """
import { Client } from "syncline";
const lobby = await new Client("token").document<{ open: boolean }>("lobby");
await lobby.update({ open: "yes" });
lobby.on("changed", () => {});
"""

PAGES = {
    "module": """<script type="module">
      globalThis.Syncline = await import("./syncline.min.js");
    </script>""",
    "script": '<script src="syncline.global.js"></script>',
    "blank": "",
}
"""Pages that have the client as `Syncline`, the last one not yet."""

INCREMENT = """async ([token, options, name]) => {
  while (globalThis.Syncline === undefined) await new Promise(requestAnimationFrame);
  const client = new Syncline.Client(token, options);
  const document = await client.document(name);
  await document.increment("/n");
  const { n } = await document.increment("/n");
  await client.shutdown();
  return n;
}"""

RESOLUTIONS = [("bundler", "esnext"), ("nodenext", "nodenext")]


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh project with the package from its tarball, built by Vite into `dist`."""
    directory = tmp_path_factory.mktemp("application")
    create_project(directory, pack("js", tmp_path_factory.mktemp("packing")))
    (directory / "index.html").write_text(INDEX)
    (directory / "src").mkdir()
    (directory / "src/main.ts").write_text(MAIN)
    run_in(directory, "node", NODE_MODULES / "vite/bin/vite.js", "build")
    return directory


@pytest.fixture(scope="module")
def site(project: Path) -> Iterator[str]:
    """The URL of a host for the application, and for the builds of the package."""
    dist = project / "node_modules/syncline/dist"
    for path in dist.iterdir():
        (project / "dist" / path.name).write_bytes(path.read_bytes())
    for name, html in PAGES.items():
        icon = '<link rel="icon" href="data:,">'
        head = f"<!doctype html><title>{name}</title>{icon}"
        (project / f"dist/{name}.html").write_text(head + html)
    handler = partial(_QuietHandler, directory=str(project / "dist"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as host:
        Thread(target=host.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{host.server_port}"
        host.shutdown()


@pytest.mark.parametrize(("resolution", "module"), RESOLUTIONS)
def test_the_types_are_found(project: Path, resolution: str, module: str) -> None:
    compile_as(project, resolution, module, "src/main.ts")


@pytest.mark.parametrize(("resolution", "module"), RESOLUTIONS)
def test_a_wrong_program_is_refused(project: Path, resolution: str, module: str) -> None:
    (project / "src/wrong.ts").write_text(WRONG)
    with pytest.raises(AssertionError) as refused:
        compile_as(project, resolution, module, "src/wrong.ts")

    errors = re.findall(r"wrong\.ts\((\d+),\d+\): error (TS\d+)", str(refused.value))
    assert errors == [("4", "TS2322"), ("5", "TS2345")]


@in_session
async def test_an_application_that_vite_built_runs(
    site: str, server: RunningServer, browsing: Browsing
) -> None:
    query = urlencode({"url": server.url, "token": server.token("ada"), "name": uuid4().hex})
    page = await browsing.open(f"{site}/index.html?{query}")
    assert json.loads(await page.locator("output").inner_text()) == {
        "data": {"open": True, "visits": 5},
        "received": [1],
        "items": [{"score": 3}],
        "refusal": "409/54208",
        "transport": "websocket",
        "unknown": "TypeError: there is no event update here; there are: updated, removed",
        "logs": True,
    }


@in_session
@pytest.mark.parametrize("build", ["module", "script"])
async def test_a_build_runs_in_a_page_without_a_bundler(
    site: str, server: RunningServer, browsing: Browsing, build: str
) -> None:
    page = await browsing.open(f"{site}/{build}.html")
    options = {"url": server.url}
    assert await page.evaluate(INCREMENT, [server.token("ada"), options, uuid4().hex]) == 2


@in_session
async def test_the_script_uses_the_server_that_it_came_from(
    project: Path, site: str, server: RunningServer, browsing: Browsing
) -> None:
    script = project / "dist/syncline.global.js"
    page = await browsing.open(f"{site}/blank.html")
    await page.route("**/cdn/*.js", lambda route: route.fulfill(path=script))
    await page.add_script_tag(url=f"{server.url}/cdn/syncline.global.js")
    assert await page.evaluate(INCREMENT, [server.token("ada"), {}, uuid4().hex]) == 2


def compile_as(project: Path, resolution: str, module: str, program: str) -> None:
    """Check a program of the project with tsc, strictly."""
    options = {
        "moduleResolution": resolution,
        "module": module,
        "target": "es2022",
        "lib": ["es2022", "dom", "dom.iterable", "dom.asynciterable", "esnext.disposable"],
        "types": [],
        "strict": True,
        "noEmit": True,
    }
    config = project / "tsconfig.json"
    config.write_text(json.dumps({"compilerOptions": options, "files": [program]}))
    run_in(project, NODE_MODULES / ".bin/tsc", "-p", config)
