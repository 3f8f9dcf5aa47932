"""What Grafana and Prometheus are given: files that parse, and that ask for existing metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from support.api import DocumentsApi
from support.metrics import Scrape, scrape
from support.server import StartServer
from syncline_server.cli.program import program
from syncline_server.cli.variables import unknown_variables
from syncline_server.config.settings import Settings

DEPLOY = Path(__file__).parents[1] / "deploy"
DASHBOARD = DEPLOY / "grafana" / "syncline.json"
ALERTS = DEPLOY / "prometheus" / "alerts.yaml"

PROMETHEUS_OWN = {"job", "instance"}
"""Labels that Prometheus adds to what it scrapes."""

# In the order in which they are taken out of an expression; what stays are names of metrics.
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_DURATION = re.compile(r"\[[^]]*\]|\boffset \w+")
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring) \(([^)]*)\)")
_SELECTOR = re.compile(r"(\w+)?\{([^}]*)\}")
_WORD = re.compile(r"\b[a-zA-Z_:][a-zA-Z0-9_:]*\b(?!\s*\()")
_OPERATORS = {"and", "or", "unless", "offset", "bool", "by", "without", "on", "ignoring"}


def dashboard() -> dict[str, Any]:
    made: dict[str, Any] = json.loads(DASHBOARD.read_text())
    return made


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Every expression of both files."""
    for panel in panels():
        yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


def names(query: str) -> set[str]:
    """The metrics that it asks for."""
    bare = _DURATION.sub("", _GROUPING.sub("", _STRING.sub("", query)))
    return set(_WORD.findall(re.sub(r"\{[^}]*\}", "", bare))) - _OPERATORS


def labels(query: str) -> set[str]:
    """The labels that it selects or groups by."""
    bare = _STRING.sub("", query)
    selected = {m for s in _SELECTOR.finditer(bare) for m in re.findall(r"\w+", s[2])}
    grouped = {m for g in _GROUPING.finditer(bare) for m in re.findall(r"\w+", g[1])}
    return selected | grouped


@pytest.fixture
def scraped(fresh_server: StartServer) -> Scrape:
    """The metrics of a server that has refused something; the others are there from the start."""
    server = fresh_server()
    with DocumentsApi(server) as api:
        api.create()
        assert api.call("GET", "nothing").status_code == 404
    return scrape(server)


def test_queries_ask_for_what_there_is(scraped: Scrape) -> None:
    there = {sample.name for sample in scraped.samples}
    known_labels = {label for sample in scraped.samples for label in sample.labels}
    asked = list(queries())
    assert len(asked) > 50
    for query in asked:
        assert names(query), query
        assert names(query) <= there, query
        assert labels(query) <= known_labels | PROMETHEUS_OWN, query
        assert query.count("(") == query.count(")") and query.count("{") == query.count("}")


def test_every_bound_and_outcome_that_is_asked_for_exists(scraped: Scrape) -> None:
    for label in ("bound", "outcome", "wire"):
        values = {
            value
            for query in queries()
            for matched in re.findall(rf'\b{label}=~?"([^"]+)"', query)
            for value in matched.split("|")
        }
        assert values and values <= set(scraped.labels(label)), label


def test_the_dashboard_and_the_alerts_leave_out_nothing(scraped: Scrape) -> None:
    shown = set().union(*map(names, queries()))
    own = {family.name for family in scraped.families if family.name.startswith("syncline_")}
    assert {name for name in own if not any(each.startswith(name) for each in shown)} == set()


class TestDashboard:
    def test_its_data_source_is_chosen_where_it_is_imported(self) -> None:
        variables = {each["name"]: each for each in dashboard()["templating"]["list"]}
        assert variables["datasource"]["type"] == "datasource"
        assert variables["datasource"]["query"] == "prometheus"
        sources = [variables["job"]["datasource"], variables["instance"]["datasource"]]
        for panel in panels():
            sources += [panel["datasource"], *(t["datasource"] for t in panel["targets"])]
        assert {source["uid"] for source in sources} == {"${datasource}"}

    def test_its_variables_are_there(self) -> None:
        variables = {each["name"] for each in dashboard()["templating"]["list"]}
        used = set(
            re.findall(r"\$(\w+)", " ".join(t["expr"] for p in panels() for t in p["targets"]))
        )
        assert used <= variables | {"__rate_interval"}

    def test_its_rows(self) -> None:
        rows = [each["title"] for each in dashboard()["panels"] if each["type"] == "row"]
        assert rows == ["Health", "Traffic", "Latency", "Bounds", "Redis", "Webhooks"]

    def test_each_panel_says_what_it_shows_in_a_place_of_its_own(self) -> None:
        every = dashboard()["panels"]
        assert len({panel["id"] for panel in every}) == len(every)
        for panel in panels():
            assert panel["title"] and panel["description"].endswith(".")
            assert len({target["refId"] for target in panel["targets"]}) == len(panel["targets"])
        for one, other in combinations((panel["gridPos"] for panel in every), 2):
            apart = (
                one["x"] + one["w"] <= other["x"]
                or other["x"] + other["w"] <= one["x"]
                or one["y"] + one["h"] <= other["y"]
                or other["y"] + other["h"] <= one["y"]
            )
            assert apart, (one, other)
        assert all(p["gridPos"]["x"] + p["gridPos"]["w"] <= 24 for p in every)


class TestAlerts:
    def test_each_says_what_is_wrong_and_what_to_do(self) -> None:
        for rule in rules():
            assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
            assert re.fullmatch(r"Syncline[A-Za-z]+", rule["alert"])
            assert re.fullmatch(r"\d+[smh]", rule.get("for", "0s"))
            assert rule["labels"]["severity"] in ("critical", "warning")
            assert set(rule["annotations"]) == {"summary", "description"}
            assert rule["annotations"]["description"].endswith(".")
            text = "".join(rule["annotations"].values())
            assert text.count("{{") == text.count("}}")

    def test_a_query_takes_what_they_report(self) -> None:
        """A label that an aggregation has dropped would be empty in the text."""
        for rule in rules():
            grouping = _GROUPING.search(rule["expr"])
            used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
            if grouping is not None:
                assert used <= set(re.findall(r"\w+", grouping[1])), rule["alert"]
            if "absent(" in rule["expr"]:
                assert not used

    def test_each_is_there_once(self) -> None:
        alerts = [rule["alert"] for rule in rules()]
        assert len(alerts) == len(set(alerts))

    def test_prometheus_takes_them_where_it_is_at_hand(self) -> None:
        assert rules()
        promtool = shutil.which("promtool")
        if promtool is not None:
            subprocess.run([promtool, "check", "rules", ALERTS], check=True)


def test_names_are_distinguished_from_the_rest_of_a_query() -> None:
    query = (
        'histogram_quantile(0.99, sum by (le, job) (rate(a_bucket{wire="rest"}[5m]))) > 1 '
        'or b unless b{code="20500"} offset 10m'
    )
    assert names(query) == {"a_bucket", "b"}
    assert labels(query) == {"le", "job", "wire", "code"}


def test_compose_sets_what_the_server_knows_and_can_show_the_demo() -> None:
    compose = yaml.safe_load((DEPLOY.parent / "compose.yaml").read_text())
    server = compose["services"]["syncline"]
    assert unknown_variables(server["environment"], program) == []
    default = re.compile(r"\$\{\w+:-(.*)\}")
    values = {name: default.sub(r"\1", value) for name, value in server["environment"].items()}
    # Off unless it is asked for, and then for callers from Docker's own networks too.
    assert values["SYNCLINE_DEMO"] == "false"
    assert Settings(demo_networks=values["SYNCLINE_DEMO_NETWORKS"]).demo_client_networks
    [port] = server["ports"]
    assert default.sub(r"\1", port) == "127.0.0.1:8040:8040"
