from __future__ import annotations

import click
import httpx2
import pytest

from syncline import ConnectionLost, NotFound, RequestTimeout
from syncline_server.cli.failures import printable, run_command
from syncline_server.config.validation import SettingError

REQUEST = httpx2.Request("GET", "http://127.0.0.1:1/v1/Services?Token=secret")


def raising(error: BaseException) -> int:
    def command() -> None:
        raise error

    return run_command(command)


def test_a_command_that_returns_is_done() -> None:
    assert run_command(lambda: None) == 0


def test_the_status_that_a_command_returns_is_kept() -> None:
    assert run_command(lambda: 2) == 2


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (
            NotFound(54300, 404, "No such document."),
            1,
            "No such document. (code 54300, status 404)",
        ),
        (click.UsageError("Wrong."), 2, "Wrong (see syncline --help)"),
        (SettingError("--port must be free"), 2, "--port must be free"),
        (ConnectionLost("it broke", 4500), 3, "it broke (close code 4500)"),
        (
            RequestTimeout("open", 30),
            3,
            "no reply to open within 30 s; its outcome is unknown",
        ),
        (
            httpx2.ConnectError("[Errno 111] Connection refused", request=REQUEST),
            3,
            "http://127.0.0.1:1 cannot be reached: [Errno 111] Connection refused",
        ),
    ],
)
def test_a_known_failure_is_one_line(
    capsys: pytest.CaptureFixture[str], error: Exception, status: int, line: str
) -> None:
    assert raising(error) == status
    assert capsys.readouterr() == ("", f"syncline: {line}\n")


def test_an_interruption_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    assert raising(click.Abort()) == 130
    assert capsys.readouterr() == ("", "")


def test_a_defect_is_not_hidden() -> None:
    with pytest.raises(ZeroDivisionError):
        raising(ZeroDivisionError())


def test_a_message_cannot_command_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    raising(NotFound(54300, 404, "No \x1b[2J\nname."))
    assert r"No \u001b[2J\nname." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("naïve ✓ 文", "naïve ✓ 文"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("a\u009bb\u202ec", r"a\u009bb\u202ec"),
        ("line\nline", r"line\nline"),
    ],
)
def test_only_what_is_printable_is_printed(text: str, shown: str) -> None:
    assert printable(text) == shown
