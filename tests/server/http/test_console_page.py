"""Where the console is served, and with which headers."""

from __future__ import annotations

import re
from urllib.parse import urljoin

import httpx2
import pytest

from support.server import RunningServer, StartSharedServer
from syncline_server.config.settings import Settings


@pytest.mark.parametrize(
    ("host", "console", "served"),
    [
        ("127.0.0.1", None, True),
        ("::1", None, True),
        ("localhost,127.0.0.1", None, True),
        ("0.0.0.0", None, False),
        ("127.0.0.1,192.0.2.1", None, False),
        ("0.0.0.0", True, True),
        ("127.0.0.1", False, False),
    ],
)
def test_without_the_setting_only_a_server_for_this_machine_has_it(
    host: str, console: bool | None, served: bool
) -> None:
    assert Settings(host=host, console=console).has_console is served


def test_the_start_page_links_to_it_only_where_it_is_served(
    server: RunningServer, shared_server: StartSharedServer
) -> None:
    without = shared_server("--no-console")
    for each, status in ((server, 200), (without, 404)):
        assert httpx2.get(f"{each.url}/console").status_code == status
        assert httpx2.get(f"{each.url}/console/api.js").status_code == status
        assert ('href="./console"' in httpx2.get(f"{each.url}/").text) == (status == 200)


def test_nothing_that_the_page_loads_may_run_code_of_others_or_be_framed(
    server: RunningServer,
) -> None:
    waiting, seen = ["/console"], set[str]()
    while waiting:
        path = waiting.pop()
        seen.add(path)
        reply = httpx2.get(f"{server.url}{path}")
        assert reply.status_code == 200, path
        if path.startswith("/console"):
            policy = reply.headers["content-security-policy"]
            assert "unsafe" not in policy
            assert "default-src 'none'; script-src 'self'" in policy
            assert "frame-ancestors 'none'" in policy
            assert "require-trusted-types-for 'script'" in policy
            assert not re.search(
                r"<script>|<style>| on\w+=\"| style=|https?://(?!www\.w3\.org/)[a-z]", reply.text
            )
        imports = re.findall(r'(?:from |src=|href=)"(\.{0,2}/[^"]+\.(?:js|css))"', reply.text)
        waiting.extend({urljoin(path, each) for each in imports} - seen)
    assert {"/console/console.js", "/console/parts.css", "/syncline/sse.js"} < seen


@pytest.mark.parametrize("path", ["/console/../__init__.py", "/console/%2e%2e/__init__.py"])
def test_it_serves_only_its_own_files(server: RunningServer, path: str) -> None:
    assert httpx2.get(f"{server.url}{path}").status_code == 404
