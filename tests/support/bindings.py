"""Test pages of the framework bindings: their build, and one page in a browser."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
from playwright.async_api import ConsoleMessage, Locator, Page, WebError, expect

from support.proxy import Proxy
from support.server import RunningServer

__all__ = ["BindingPage", "Place", "build_pages", "check_programs", "render"]

PROGRAM = Path(__file__).parents[1] / "browser/bindings/build.js"

Place = dict[str, Any]
"""One section of a page: `place`, its test id; `kind`; and the properties of that component."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem; color: #1f2937; background: #f3f4f6 }
main { display: flex; flex-wrap: wrap; gap: 1rem; align-items: flex-start }
h1 { width: 100%; margin: 0 } h2 { margin: 0; font-size: 1rem }
section { background: #fff; border: 1px solid #d1d5db; border-radius: 8px }
section { padding: .8rem 1rem; min-width: 11rem }
.status { color: #6b7280; margin: 0 } .error { color: #b91c1c } pre { margin: .4rem 0 }
ol { margin: .4rem 0; padding: 0; list-style: none; max-height: 16rem; overflow: auto }
"""

HTML = f'<!doctype html><title>bindings</title><style>{STYLE}</style><div id="root"></div>'

RENDER = """
const { render } = await import(process.argv[1]);
process.stdout.write(await render(JSON.parse(process.argv[2])));
process.exit(0);
"""


def build_pages(directory: Path) -> None:
    """Pack and install the packages, and build the pages of all frameworks with Vite."""
    subprocess.run(["node", PROGRAM, directory], check=True)


def check_programs(directory: Path) -> str:
    """What the type checker says of the programs that use the installed packages."""
    compiler = directory / "node_modules/.bin/tsc"
    project = directory / "app/pages/types"
    return subprocess.run([compiler, "-p", project], stdout=subprocess.PIPE, text=True).stdout


def render(directory: Path, framework: str, **settings: Any) -> str:
    """The page as a server renders it, in Node."""
    module = directory / "app/dist" / framework / "server.js"
    program = ["node", "--input-type=module", "-e", RENDER]
    given = [str(module), orjson.dumps(settings).decode()]
    return subprocess.run([*program, *given], check=True, stdout=subprocess.PIPE, text=True).stdout


class BindingPage:
    """A page whose application the test starts.

    Attributes:
        framework: `react`, `vue` or `svelte`.
        gateway: what the page and its client connect through.
        errors: errors that the page logged or did not catch.
    """

    def __init__(self, page: Page, framework: str, gateway: Proxy, server: RunningServer) -> None:
        self.page = page
        self.framework = framework
        self.gateway = gateway
        self.server = server
        self.errors: list[str] = []
        page.on("console", self._on_console)
        page.context.on("weberror", self._on_error)

    async def load(self, directory: Path, html: str = "") -> None:
        """Load the page without starting its application; `html` is what a server rendered."""
        await self.page.route("**/favicon.ico", lambda route: route.fulfill(body=""))
        await self.page.goto(f"{self.gateway.url}/healthz")
        await self.page.set_content(HTML.replace("></div>", f">{html}</div>"))
        script = directory / "app/dist" / self.framework / "client.js"
        await self.page.add_script_tag(path=script, type="module")
        await self.page.wait_for_function("globalThis.start !== undefined")

    async def start(self, *places: Place, **settings: Any) -> None:
        """Start the application; stop it first if it runs."""
        await self.page.evaluate("globalThis.stop?.()")
        await self.page.evaluate("(given) => start(given)", self.given(places=places, **settings))

    def given(self, **settings: Any) -> dict[str, Any]:
        """What `start` and `connect` of the page take."""
        return {"url": self.gateway.url, "token": self.server.token(), "grace": 100, **settings}

    async def show(self, *places: Place) -> None:
        """Show these sections, and no others."""
        await self.page.evaluate("(places) => show(places)", places)

    def at(self, place: str) -> Locator:
        """The section of that name."""
        return self.page.get_by_test_id(place)

    async def expect_status(self, place: str, status: str) -> None:
        """Wait until the section shows that status."""
        await expect(self.at(place)).to_have_attribute("data-status", status)

    async def expect_data(self, place: str, text: str) -> None:
        """Wait until the section shows these data."""
        await expect(self.at(place).locator(".data")).to_have_text(text)

    async def press(self, place: str, button: str) -> None:
        """Press a button of the section."""
        await self.at(place).get_by_role("button", name=button).click()

    async def read(self, expression: str) -> Any:
        """The value of an expression in the page."""
        return await self.page.evaluate(expression)

    async def opened(self, name: str) -> int:
        """How often the page has opened the object of that name."""
        found: int = await self.read(f"opened.filter((each) => each === {name!r}).length")
        return found

    def fresh_name(self) -> str:
        """A name that no other test uses."""
        return f"{self.framework} {uuid4()}"

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(message.text)

    def _on_error(self, error: WebError) -> None:
        self.errors.append(str(error.error))
