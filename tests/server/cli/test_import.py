"""`syncline import`: from one real server into another."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from support.api import DocumentsApi, unique
from support.certificates import CertificateAuthority
from support.command import CommandLine
from support.http import Ask, HttpServer, Reply, forwarding, json_reply
from support.server import SYNCLINE, RunningServer, StartServer, clean_environ
from support.terminal import on_terminal
from support.transfer import contents, counts, environ_of, fill
from syncline_protocol import dates

NAMES = ("plain", "a/b", "a//b", "../b", " ", "%2F", "?#&=+", "ü✓𝄞", "line\nbreak", "x" * 320)
"""Unique names, most of which need care somewhere on their way."""


def seconds_left(resource: Any) -> float:
    left = dates.parse(resource["date_expires"]) - datetime.now(UTC)
    return left.total_seconds()


# What is carried


def test_name_data_and_time_that_is_left_arrive(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    data = '{"text":"ü\\u2028","big":18446744073709551615,"float":0.1,"nested":[{"a":null}]}'
    for name in NAMES:
        there.create(UniqueName=name, Data=data, Ttl="3600")
    there.create(UniqueName="permanent", Data="{}")
    there.create(Data='{"has": "no name"}')

    assert between("import").value == counts(created=len(NAMES) + 2)

    assert contents(here) == contents(there)
    for name in NAMES:
        assert seconds_left(here.fetch(name)) == pytest.approx(3600, abs=30)
    assert here.fetch("permanent")["date_expires"] is None


def test_an_export_carries_the_same(
    between: CommandLine, source: RunningServer, there: DocumentsApi, here: DocumentsApi
) -> None:
    for name in NAMES:
        there.create(UniqueName=name, Data='{"float": 1e-7}', Ttl="3600")
    there.create(Data='{"has": "no name"}')
    exporting = {"SYNCLINE_URL": source.url, "SYNCLINE_TOKEN": source.token()}
    assert between("export", "all.jsonl", environ=exporting).status == 0

    outcome = between("import", "all.jsonl", environ={"SYNCLINE_FROM_URL": ""})

    assert outcome.value == counts(created=len(NAMES) + 1)
    assert contents(here) == contents(there)
    for name in NAMES:
        assert seconds_left(here.fetch(name)) == pytest.approx(3600, abs=30)


def test_documents_on_many_pages(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    fill(there, 105)

    assert between("import", "--page-size=5").value == counts(created=105)

    assert contents(here) == contents(there)
    assert len(contents(here)) == 105


def test_another_service_can_be_named(
    between: CommandLine, there: DocumentsApi, source: RunningServer, here: DocumentsApi
) -> None:
    there.create(UniqueName="only", Data="{}")
    service_sid = there.fetch("only")["service_sid"]

    assert between("import", "--from-service", service_sid).value == counts(created=1)
    assert here.fetch("only")["created_by"] == "system"


def test_a_service_that_limits_identities_takes_everything_from_the_account(
    between: CommandLine, there: DocumentsApi, target: RunningServer
) -> None:
    there.create(UniqueName="only", Data="{}")
    made = httpx2.post(
        f"{target.url}/v1/Services", data={"AclEnabled": "true"}, auth=target.basic
    ).json()
    service = f"--service={made['sid']}"

    refused = between("import", service, environ={"SYNCLINE_TOKEN": target.token()})
    assert refused.status == 1
    assert "status 403" in refused.err

    assert between("import", service).value == counts(created=1)
    with DocumentsApi(target, service=made["sid"]) as limited:
        assert limited.fetch("only")["created_by"] == "system"


def test_what_becomes_of_each_can_be_seen(
    between: CommandLine, there: DocumentsApi, here: DocumentsApi
) -> None:
    named = there.create(UniqueName="named", Data="{}")
    nameless = there.create(Data='{"a": 1}')

    *lines, last = between("import", "--verbose").lines

    assert last == counts(created=2)
    assert {line["sid"] for line in lines} == {named["sid"], nameless["sid"]}
    [line] = [line for line in lines if line["unique_name"] is None]
    assert here.fetch(line["target_sid"])["data"] == {"a": 1}


# What does not arrive


def test_a_document_that_is_too_large_here_is_named_and_the_rest_arrives(
    between: CommandLine, fresh_server: StartServer, there: DocumentsApi
) -> None:
    narrow = fresh_server("--data-limit=64")
    sid = there.create(UniqueName="large", Data=f'{{"text": "{"x" * 100}"}}')["sid"]
    there.create(UniqueName="small", Data="{}")

    outcome = between(
        "import",
        environ={"SYNCLINE_URL": narrow.url, "SYNCLINE_TOKEN": narrow.token()},
    )

    assert outcome.status == 1
    assert outcome.lines == [counts(created=1, failed=1)]
    assert outcome.err == (
        f"syncline: {sid} ('large'): Data is 111 bytes as compact JSON; at most 64 are allowed. "
        "(code 54006, status 413)\n"
    )


def listing(*resources: Any) -> HttpServer:
    """A server that only has documents, on one page."""
    page = {"documents": resources, "meta": {"key": "documents", "next_page_url": None}}
    return HttpServer(only_documents(lambda ask: page))


def only_documents(page_for: Callable[[Ask], Any]) -> Callable[[Ask], Reply]:
    """Answers as an earlier server, which knows no other objects."""

    def answer(ask: Ask) -> Reply:
        if "/Documents" in ask.target:
            return json_reply(200, page_for(ask))
        return json_reply(404, {"code": 20404, "status": 404, "message": "Not found"})

    return answer


def vendor_environ(vendor: HttpServer) -> dict[str, str]:
    return {
        "SYNCLINE_FROM_URL": vendor.url,
        "SYNCLINE_FROM_ACCOUNT_SID": "AC" + "0" * 32,
        "SYNCLINE_FROM_AUTH_TOKEN": "secret",
    }


def resource(name: str, data: str = "{}", **more: Any) -> Any:
    """A document as the vendor's REST API returns it."""
    return {
        "sid": "ETAB0123456789abcdef0123456789abcd",
        "unique_name": name,
        "revision": "1af",
        "data": orjson.Fragment(data),
        "date_expires": None,
        **more,
    }


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ('{"n":%s}' % ("9" * 400), "n: inf is not a JSON number"),
        ('{"n":1e999}', "n: inf is not a JSON number"),
        ('{"n":"\\ud800"}', "n: it holds half of a surrogate pair"),
        ('{"n":' + "[" * 100 + "]" * 100 + "}", "nested more than 68 deep"),
        ("[1]", "data must be a JSON object; an array was given"),
        ("null", "data must be a JSON object; null was given"),
    ],
)
def test_data_that_cannot_be_kept_as_it_is_is_not_altered(
    into: CommandLine, shared: DocumentsApi, data: str, reason: str
) -> None:
    bad, good = unique(), unique()
    with listing(resource(bad, data), resource(good, '{"n": 1.0}')) as vendor:
        outcome = into("import", environ=vendor_environ(vendor))
    assert outcome.status == 1
    assert outcome.lines == [counts(created=1, failed=1)]
    assert reason in outcome.err
    assert shared.call("GET", bad).status_code == 404
    assert shared.fetch(good)["data"] == {"n": 1.0}


def test_an_integer_beyond_64_bits_arrives_as_the_double_it_denotes(
    into: CommandLine, shared: DocumentsApi
) -> None:
    name = unique()
    with listing(
        resource(name, '{"n":123456789012345678901,"m":[100000000000000000000]}')
    ) as vendor:
        outcome = into("import", environ=vendor_environ(vendor))
    assert outcome.value == counts(created=1)
    assert shared.fetch(name)["data"] == {"n": 123456789012345678901.0, "m": [1e20]}


def test_what_has_expired_meanwhile_stays_away(into: CommandLine, shared: DocumentsApi) -> None:
    past = unique()
    with listing(resource(past, date_expires="2020-01-31T08:15:30Z")) as vendor:
        outcome = into("import", environ=vendor_environ(vendor))
    assert outcome.value == counts(expired=1)
    assert shared.call("GET", past).status_code == 404


def test_credentials_go_only_where_the_command_says(
    into: CommandLine, shared: DocumentsApi
) -> None:
    first, second = unique(), unique()
    with listing(resource("elsewhere")) as other:
        pages = [
            {
                "documents": [resource(first)],
                "meta": {"next_page_url": f"{other.url}/v1/x?Page=1&PageToken=PTabc"},
            },
            {"documents": [resource(second)], "meta": {"next_page_url": None}},
        ]
        with HttpServer(only_documents(lambda ask: pages["PTabc" in ask.target])) as vendor:
            outcome = into("import", environ=vendor_environ(vendor))
        assert other.asked == []
    assert outcome.value == counts(created=2)
    for name in (first, second):
        assert shared.fetch(name)["data"] == {}


# Who may


def test_a_target_that_refuses_the_login_is_found_before_the_source_is_read(
    between: CommandLine, source: RunningServer
) -> None:
    with HttpServer(forwarding(source.url)) as proxy:
        outcome = between(
            "import", f"--from-url={proxy.url}", environ={"SYNCLINE_AUTH_TOKEN": "wrong"}
        )
        assert proxy.asked == []
    assert outcome.status == 1
    assert "code 20003, status 401" in outcome.err


def test_a_source_that_refuses_the_login_is_named(between: CommandLine) -> None:
    outcome = between("import", environ={"SYNCLINE_FROM_AUTH_TOKEN": "wrong"})
    assert outcome.status == 1
    assert "The source refuses to list its documents: " in outcome.err
    assert "code 20003, status 401" in outcome.err


def test_an_api_key_opens_the_source_too(
    between: CommandLine, source: RunningServer, there: DocumentsApi
) -> None:
    there.create(Data="{}")
    [(key, secret)] = source.credentials.api_keys.items()
    environ = {
        "SYNCLINE_FROM_AUTH_TOKEN": "",
        "SYNCLINE_FROM_API_KEY_SID": key,
        "SYNCLINE_FROM_API_KEY_SECRET": secret,
    }
    assert between("import", environ=environ).value == counts(created=1)


def test_the_auth_token_comes_from_stdin_if_asked(
    between: CommandLine, source: RunningServer, there: DocumentsApi
) -> None:
    there.create(Data="{}")
    outcome = between(
        "import",
        "--from-auth-token-stdin",
        stdin=f"{source.basic[1]}\n".encode(),
        environ={"SYNCLINE_FROM_AUTH_TOKEN": ""},
    )
    assert outcome.value == counts(created=1)


def test_a_target_that_is_down_is_said_at_once(between: CommandLine, target: RunningServer) -> None:
    target.stop()
    outcome = between("import")
    assert outcome.status == 3
    assert outcome.err.startswith(f"syncline: {target.url} cannot be reached")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("-", "--from-url=http://127.0.0.1"), "give either FILE or --from-url"),
        ((), "give either FILE or --from-url"),
        (("--from-url=http://127.0.0.1",), "--from-url needs --from-account"),
        (("--from-url=http://127.0.0.1", "--from-account=AC"), "no auth token"),
        (("absent.jsonl",), "'absent.jsonl' does not exist"),
        (("-", "--state=absent/state"), "absent/state cannot be used: unable to open"),
    ],
)
def test_wrong_usage_is_said(into: CommandLine, arguments: tuple[str, ...], reason: str) -> None:
    outcome = into("import", *arguments)
    assert outcome.status == 2
    assert reason in outcome.err


def test_a_state_belongs_to_one_target(between: CommandLine, fresh_server: StartServer) -> None:
    other = fresh_server("--appendfsync=no")
    assert between("import").status == 0
    environ = {"SYNCLINE_URL": other.url, "SYNCLINE_TOKEN": other.token()}
    outcome = between("import", environ=environ)
    assert outcome.status == 2
    assert "belongs to another import, whose target is" in outcome.err


# On a terminal


def test_a_terminal_sees_how_far_it_is(
    source: RunningServer, target: RunningServer, there: DocumentsApi, tmp_path: Path
) -> None:
    fill(there, 12)
    status, shown = on_terminal(
        "import",
        f"--state={tmp_path / 'state'}",
        environ=clean_environ(environ_of(source, target)),
    )
    assert status == 0
    assert "Importing" in shown
    assert "12 created" in shown


def test_a_terminal_is_asked_for_the_auth_token(
    source: RunningServer, target: RunningServer, there: DocumentsApi, tmp_path: Path
) -> None:
    there.create(Data="{}")
    environ = environ_of(source, target)
    secret = environ.pop("SYNCLINE_FROM_AUTH_TOKEN")
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [SYNCLINE, "import"],
        env=clean_environ(environ),
        cwd=tmp_path,
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        while b"Auth token of" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, f"{secret}\n".encode())
        assert process.stdout is not None
        assert orjson.loads(process.stdout.read()) == counts(created=1)
    os.close(ours)
    assert secret.encode() not in shown


# Over TLS


def reading_over_tls(
    between: CommandLine, secure_server: RunningServer, authority: CertificateAuthority
) -> str:
    """Let the command read from a service on a server whose certificate the authority signed.

    Returns:
        the name of the only document there.
    """
    with httpx2.Client(verify=authority.context, auth=secure_server.basic) as http:
        url = f"{secure_server.url}/v1/Services"
        service = http.post(url).json()["sid"]
        made = http.post(f"{url}/{service}/Documents", data={"UniqueName": (name := unique())})
        assert made.status_code == 201
    account, token = secure_server.basic
    between.environ |= {
        "SYNCLINE_FROM_URL": secure_server.url,
        "SYNCLINE_FROM_SERVICE": service,
        "SYNCLINE_FROM_ACCOUNT_SID": account,
        "SYNCLINE_FROM_AUTH_TOKEN": token,
    }
    return name


@pytest.mark.parametrize("option", ["--ca-cert", "--from-ca-cert"])
def test_a_source_is_known_by_its_own_authority(
    between: CommandLine,
    secure_server: RunningServer,
    here: DocumentsApi,
    authority: CertificateAuthority,
    option: str,
) -> None:
    name = reading_over_tls(between, secure_server, authority)
    outcome = between("import", f"{option}={authority.certificate}")
    assert outcome.value == counts(created=1), outcome.err
    assert here.fetch(name)


def test_a_source_of_an_unknown_authority_is_not_read(
    between: CommandLine,
    secure_server: RunningServer,
    here: DocumentsApi,
    authority: CertificateAuthority,
) -> None:
    reading_over_tls(between, secure_server, authority)
    outcome = between("import")
    assert outcome.status == 3 and "certificate verify failed" in outcome.err
