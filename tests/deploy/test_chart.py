"""The Helm chart: what it makes is what the server accepts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from support.chart import CHART, SECRETS, lint, refusal, render
from support.command import CommandLine
from support.helm import find_command
from syncline_server.cli.program import program
from syncline_server.cli.variables import unknown_variables
from syncline_server.config.secret_variables import SECRET_VARIABLES
from syncline_server.config.settings import Settings

VALUES: dict[str, Any] = yaml.safe_load((CHART / "values.yaml").read_text())
SCHEMA: dict[str, Any] = yaml.safe_load((CHART / "values.schema.json").read_text())

ALL_ON: dict[str, Any] = {
    "secret": SECRETS,
    "tls": {"secretName": "certificate"},
    "ingress": {"enabled": True, "className": "nginx", "tls": [{"secretName": "public"}]},
    "autoscaling": {"enabled": True},
    "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "networkPolicy": {"enabled": True, "from": [{"podSelector": {}}], "egress": [{}]},
    "config": {
        "workers": 2,
        "disk-margin": 33_554_432,
        "trace-ratio": 0.00001,
        "demo": True,
        "trusted-proxies": ["10.0.0.0/8", "fd00::/8"],
        "browsers": {"cors-origins": ["https://app.example.com"], "hsts": 31_536_000},
        "oidc-identity-claim": 'it"s \\ <a> & ü',
    },
}
EMBEDDED: dict[str, Any] = {"storage": "embedded", "replicas": 1}


def pod_of(manifests: dict[str, Any]) -> dict[str, Any]:
    owner = manifests.get("Deployment") or manifests["StatefulSet"]
    pod: dict[str, Any] = owner["spec"]["template"]["spec"]
    return pod


def variables_of(manifests: dict[str, Any]) -> dict[str, str]:
    [container] = pod_of(manifests)["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


class TestWithoutHelm:
    def test_the_values_fit_their_schema_which_names_each_of_them(self) -> None:
        jsonschema.Draft7Validator.check_schema(SCHEMA)
        jsonschema.validate(VALUES, SCHEMA)
        assert set(SCHEMA["properties"]) - {"global"} == set(VALUES)
        for name, described in SCHEMA["properties"].items():
            if "properties" in described:
                assert set(described["properties"]) == set(VALUES[name]), name

    def test_templates_use_values_that_exist(self) -> None:
        used = {
            path
            for file in CHART.glob("templates/**/*.*")
            for path in re.findall(r"\.Values\.([A-Za-z.]+)", file.read_text())
        }
        assert len(used) > 40
        for path in used:
            value: Any = VALUES
            for name in path.split("."):
                assert name in value, path
                value = value[name]

    def test_each_secret_is_one_that_the_server_reads_from_a_file(self) -> None:
        keys = SCHEMA["properties"]["secret"]["properties"]["keys"]["items"]["enum"]
        variables = {f"SYNCLINE_{key.upper().replace('-', '_')}" for key in keys}
        assert variables <= set(SECRET_VARIABLES)

    def test_the_examples_in_comments_are_settings(self) -> None:
        text = (CHART / "values.yaml").read_text()
        examples = re.findall(r"^#  ([a-z-]+):", text, re.MULTILINE)
        assert len(examples) > 2
        assert {name.replace("-", "_") for name in examples} <= set(Settings.__dataclass_fields__)

    def test_a_pod_has_more_time_to_stop_than_the_server(self) -> None:
        assert VALUES["drainTimeout"] == Settings().drain_timeout


def test_lint_finds_nothing() -> None:
    linted = lint(**ALL_ON)
    assert linted.succeeded, linted.text


@pytest.mark.parametrize("values", [{"secret": SECRETS}, EMBEDDED, ALL_ON])
def test_the_server_accepts_the_settings(
    values: dict[str, Any], tmp_path: Path, command: CommandLine
) -> None:
    manifests = render(**values)
    variables = variables_of(manifests)
    assert unknown_variables(variables, program) == []

    config = tmp_path / "syncline.toml"
    config.write_text(manifests["ConfigMap"]["data"]["syncline.toml"])
    secrets = manifests.get("Secret", {}).get("stringData", {})
    for key, secret in secrets.items():
        (tmp_path / key).write_text(secret)
    here = {
        name: re.sub(r"^/run/secrets/syncline/", f"{tmp_path}/", value)
        for name, value in variables.items()
    } | {"SYNCLINE_CONFIG": str(config), "SYNCLINE_DATA_DIR": str(tmp_path / "data")}
    checked = command("config", "check", environ=here)
    assert checked.status == 0, checked.err

    [container] = pod_of(manifests)["containers"]
    mounted = {each["mountPath"] for each in container["volumeMounts"]}
    assert all(str(Path(value).parent) in mounted for value in variables.values() if "/" in value)


def test_texts_numbers_and_lists_reach_the_server_unchanged(
    tmp_path: Path, command: CommandLine
) -> None:
    config = tmp_path / "syncline.toml"
    config.write_text(render(**ALL_ON)["ConfigMap"]["data"]["syncline.toml"])
    shown = command("config", "show", "--config", str(config))
    assert shown.status == 0, shown.err
    given = {each["name"]: each["value"] for each in shown.lines if each["source"] == "config file"}
    assert given == {
        "log_format": "json",
        "workers": 2,
        "disk_margin": 33_554_432,
        "trace_ratio": 0.00001,
        "demo": True,
        "trusted_proxies": "10.0.0.0/8,fd00::/8",
        "cors_origins": "https://app.example.com",
        "hsts": 31_536_000,
        "oidc_identity_claim": 'it"s \\ <a> & ü',
    }


class TestPod:
    @pytest.mark.parametrize("values", [ALL_ON, EMBEDDED])
    def test_it_has_no_rights_and_writes_to_its_volumes_alone(self, values: dict[str, Any]) -> None:
        pod = pod_of(render(**values))
        [container] = pod["containers"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        # Else a Service named syncline would set SYNCLINE_PORT to a URL.
        assert pod["enableServiceLinks"] is False
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
        assert writable == {"/data", "/tmp"}

    @pytest.mark.parametrize(("drain", "pause"), [(10, 5), (0, 0), (60.5, 20)])
    def test_it_may_drain_before_it_is_killed(self, drain: float, pause: int) -> None:
        manifests = render(secret=SECRETS, drainTimeout=drain, preStopSeconds=pause)
        assert float(variables_of(manifests)["SYNCLINE_DRAIN_TIMEOUT"]) == drain
        grace = pod_of(manifests)["terminationGracePeriodSeconds"]
        assert grace >= drain + pause + 5
        assert isinstance(grace, int)

    def test_its_probes_ask_what_the_server_answers(self) -> None:
        for values, scheme in ((ALL_ON, "HTTPS"), (EMBEDDED, "HTTP")):
            [container] = pod_of(render(**values))["containers"]
            paths = {
                name: container[f"{name}Probe"]["httpGet"]
                for name in ("startup", "liveness", "readiness")
            }
            assert {each["scheme"] for each in paths.values()} == {scheme}
            assert paths["startup"]["path"] == paths["liveness"]["path"] == "/healthz"
            assert paths["readiness"]["path"] == "/readyz"

    def test_a_change_of_settings_or_secrets_replaces_it(self) -> None:
        def template(**values: Any) -> Any:
            return render(**values)["Deployment"]["spec"]["template"]["metadata"]["annotations"]

        before = template(secret=SECRETS)
        assert template(secret=SECRETS) == before
        assert template(secret=SECRETS, config={"workers": 3}) != before
        assert template(secret=SECRETS | {"authToken": "another"}) != before


class TestStorage:
    def test_servers_on_a_redis_of_yours_are_replaced_one_by_one(self) -> None:
        manifests = render(secret=SECRETS)
        assert "StatefulSet" not in manifests
        spec = manifests["Deployment"]["spec"]
        assert spec["replicas"] == 2
        assert spec["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
        assert manifests["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1

    def test_a_server_with_its_own_redis_is_alone_on_its_volume(self) -> None:
        manifests = render(**EMBEDDED)
        assert not {"Deployment", "PodDisruptionBudget", "Secret"} & set(manifests)
        spec = manifests["StatefulSet"]["spec"]
        assert spec["replicas"] == 1
        [claim] = spec["volumeClaimTemplates"]
        assert claim["metadata"]["name"] == "data"
        assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]

    def test_a_claim_of_yours(self) -> None:
        manifests = render(**EMBEDDED, embedded={"existingClaim": "mine"})
        assert "volumeClaimTemplates" not in manifests["StatefulSet"]["spec"]
        volumes = {each["name"]: each for each in pod_of(manifests)["volumes"]}
        assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "mine"

    def test_a_secret_of_yours_is_mounted_and_none_is_made(self) -> None:
        keys = ["account-sid", "auth-token", "api-key-sid", "api-key-secret", "master-key"]
        manifests = render(secret={"existingSecret": "mine", "keys": [*keys, "redis-url"]})
        assert "Secret" not in manifests
        volumes = {each["name"]: each for each in pod_of(manifests)["volumes"]}
        assert volumes["secrets"]["secret"]["secretName"] == "mine"
        assert variables_of(manifests)["SYNCLINE_REDIS_URL_FILE"].endswith("/redis-url")


def test_what_is_optional() -> None:
    manifests = render(**ALL_ON)
    hooks = {"Pod"} if find_command() else set()
    assert set(manifests) == hooks | {
        *("Deployment", "Service", "Ingress", "Secret", "ConfigMap", "PodDisruptionBudget"),
        *("HorizontalPodAutoscaler", "ServiceMonitor", "NetworkPolicy", "ServiceAccount"),
    }
    assert "replicas" not in manifests["Deployment"]["spec"]
    annotations = manifests["Ingress"]["metadata"]["annotations"]
    assert all(isinstance(value, str) for value in annotations.values())
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "HTTPS"
    assert annotations["nginx.ingress.kubernetes.io/proxy-buffering"] == "off"
    assert manifests["NetworkPolicy"]["spec"]["policyTypes"] == ["Ingress", "Egress"]
    [endpoint] = manifests["ServiceMonitor"]["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics" and endpoint["scheme"] == "https"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "the secret account-sid is required"),
        ({"secret": SECRETS, "image": {"repository": ""}}, "image.repository is required"),
        ({"secret": SECRETS | {"masterKey": ""}}, "the secret master-key is required"),
        ({"storage": "embedded"}, "one server alone can use the volume"),
        (EMBEDDED | {"autoscaling": {"enabled": True}}, "one server alone can use the volume"),
        (EMBEDDED | {"secret": {"redisUrl": "redis://r"}}, "redis-url must not be set"),
        (EMBEDDED | {"serviceMonitor": {"enabled": True}}, "account-sid and auth-token must be"),
        ({"secret": SECRETS, "config": {"port": 80}}, "port is set by the chart"),
        ({"secret": SECRETS, "config": {"a": {"tls_key": "x"}}}, "tls_key is set by the chart"),
        ({"secret": SECRETS, "replica": 3}, "replica"),
        ({"secret": SECRETS | {"accountSid": "AC1"}}, "accountSid"),
        ({"secret": SECRETS, "drainTimeout": 301}, "drainTimeout"),
    ],
)
def test_values_that_cannot_work_are_refused_with_a_sentence(
    values: dict[str, Any], said: str
) -> None:
    assert said in refusal(**values)
