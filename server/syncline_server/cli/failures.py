"""Exit statuses of the commands, and the line on stderr for each kind of failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import IntEnum

import click
import httpx2

from syncline import RequestError, SynclineError
from syncline_server.config.validation import SettingError

__all__ = ["Exit", "run_command", "printable"]


class Exit(IntEnum):
    """Exit statuses of the process."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    NO_CONNECTION = 3
    INTERRUPTED = 130  # as a shell reports SIGINT


def run_command(command: Callable[[], int | None]) -> int:
    """Run `command` and return the exit status; print each expected exception as one line."""
    try:
        return command() or Exit.DONE
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return Exit.USAGE
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "syncline"
        return _fail(Exit.USAGE, f"{error.format_message().rstrip('.')} (see {path} --help)")
    except SettingError as error:
        return _fail(Exit.USAGE, str(error))
    except RequestError as error:
        return _fail(Exit.REFUSED, str(error))
    except SynclineError as error:
        return _fail(Exit.NO_CONNECTION, str(error))
    except httpx2.TransportError as error:
        return _fail(Exit.NO_CONNECTION, _unreachable(error))
    except click.Abort:
        return Exit.INTERRUPTED


def printable(text: str) -> str:
    """`text` with every unprintable character, such as those of a terminal, as its JSON escape."""
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def _fail(status: Exit, message: str) -> Exit:
    print(f"syncline: {printable(message)}", file=sys.stderr)
    return status


def _unreachable(error: httpx2.TransportError) -> str:
    url = error.request.url
    return f"{url.scheme}://{url.netloc.decode()} cannot be reached: {error or repr(error)}"
