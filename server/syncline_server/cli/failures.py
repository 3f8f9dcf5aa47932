"""Exit statuses of the commands, and the line on stderr for each kind of failure."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from enum import IntEnum
from typing import TYPE_CHECKING

import click

from syncline_server.config.validation import SettingError

if TYPE_CHECKING:
    import httpx2

__all__ = ["Declined", "Exit", "run_command", "printable"]


class Declined(Exception):
    """The user answered a question with no."""


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
    except Declined:
        return _fail(Exit.REFUSED, "nothing was changed")
    except click.Abort:
        return Exit.INTERRUPTED
    except Exception as error:
        failure = _client_failure(error)
        if failure is None:
            raise
        return _fail(*failure)


def printable(text: str) -> str:
    """`text` with every unprintable character, such as those of a terminal, as its JSON escape."""
    return "".join(
        character if character.isprintable() else json.dumps(character)[1:-1] for character in text
    )


def _client_failure(error: Exception) -> tuple[Exit, str] | None:
    """The status and message of an exception of the client or of HTTP; None for any other."""
    # Imported here, so that `syncline serve` starts without loading the client.
    import httpx2

    from syncline import RequestError, SynclineError

    match error:
        case RequestError():
            return Exit.REFUSED, str(error)
        case SynclineError():
            return Exit.NO_CONNECTION, str(error)
        case httpx2.TransportError():
            return Exit.NO_CONNECTION, _unreachable(error)
        case _:
            return None


def _fail(status: Exit, message: str) -> Exit:
    print(f"syncline: {printable(message)}", file=sys.stderr)
    return status


def _unreachable(error: httpx2.TransportError) -> str:
    url = error.request.url
    return f"{url.scheme}://{url.netloc.decode()} cannot be reached: {error or repr(error)}"
