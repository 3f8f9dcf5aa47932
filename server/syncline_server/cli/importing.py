"""`syncline import`: copies the objects of a service, from another server or from a file."""

from __future__ import annotations

import functools
import os
import stat
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from ssl import SSLContext
from typing import BinaryIO, cast
from urllib.parse import quote

import click

from syncline_protocol.sids import is_service_sid

from .access import Access
from .access_options import with_account_login
from .checkpoint import open_checkpoint
from .failures import Exit
from .help import Command
from .object_rest import open_service
from .options import page_size_option, retries_option
from .output import show_counts
from .parameters import Authority, Url
from .progress import Progress
from .rest import ensure_service
from .retrying_client import RetryingClient
from .source_login import source_login, with_system_authorities
from .sources import Lines, Listing, Source
from .transfer import Transfer
from .uploader import Uploader
from .uploads import OnConflict, Outcome

__all__ = ["import_"]


@click.command(
    "import",
    cls=Command,
    epilog="""\b
Exit status:
  0    everything was copied, or existed already, or had expired
  1    some were not copied (stderr shows why), or a server refused the request
  2    wrong usage, or no credentials
  3    no connection, or no answer in time; run the same command again to continue
  130  interrupted by Ctrl-C; run the same command again to continue
""",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True), default=None)
@click.option(
    "--from-url",
    type=Url(),
    envvar="SYNCLINE_FROM_URL",
    show_envvar=True,
    help="Base URL of a server to read from instead of FILE, such as https://sync.twilio.com.",
)
@click.option(
    "--from-account",
    metavar="AC…",
    envvar="SYNCLINE_FROM_ACCOUNT_SID",
    show_envvar=True,
    help="SID of the account on that server.",
)
@click.option(
    "--from-service",
    default="default",
    envvar="SYNCLINE_FROM_SERVICE",
    show_envvar=True,
    help="SID or unique name of the service on that server.",
)
@click.option(
    "--from-ca-cert",
    type=Authority(),
    envvar="SYNCLINE_FROM_CA_CERT",
    show_envvar=True,
    show_default="those that this machine trusts, and --ca-cert",
    help="PEM file of the authority that signed the certificate of that server.",
)
@click.option(
    "--from-auth-token-stdin",
    is_flag=True,
    help="Read the auth token from the first line of stdin.",
)
@click.option(
    "--on-conflict",
    type=click.Choice([choice.value for choice in OnConflict]),
    default=OnConflict.SKIP.value,
    help="What to do with what the target already has.",
)
@click.option(
    "--keep-sids",
    is_flag=True,
    help="Create objects with the SIDs that they have in the source; needs Basic credentials.",
)
@click.option(
    "--create-service",
    is_flag=True,
    help="Create the service whose SID --service gives, unless it exists.",
)
@click.option(
    "--state",
    type=click.Path(dir_okay=False, path_type=Path),
    show_default="FILE.state, or syncline-import-….state",
    help="File that records what was copied.",
)
@click.option("--partial", is_flag=True, help="Accept a FILE without the line that ends an export.")
@click.option(
    "--verbose", "-v", is_flag=True, help="Print the outcome for each record, as JSON lines."
)
@click.option(
    "--concurrency", type=click.IntRange(1, 64), default=8, help="Objects to write at once."
)
@page_size_option
@retries_option
@with_account_login
def import_(
    access: Access,
    *,
    file: str | None,
    from_url: str | None,
    from_account: str | None,
    from_service: str,
    from_ca_cert: SSLContext | None,
    from_auth_token_stdin: bool,
    on_conflict: str,
    keep_sids: bool,
    create_service: bool,
    state: Path | None,
    partial: bool,
    verbose: bool,
    concurrency: int,
    page_size: int,
    retries: int,
) -> None:
    """Copy objects into a service, from an exported file or from a service of another server.

    FILE is a file that `syncline export` wrote, or "-" for stdin. Documents, lists, maps and
    streams are copied with their names, data, items and remaining times to live, lists and maps
    also with their permissions. Revisions, dates and authors are new, and so are the indexes of
    list items, and SIDs without --keep-sids.

    If an import was interrupted, run the same command again to continue. After a complete import,
    the same command copies what was added since. Keep the file of --state for this: it records
    which objects without a name were copied, and how far each list was.

    With --from-url the objects come from the REST API of Twilio Sync or of another Syncline. The
    login there is SYNCLINE_FROM_API_KEY_SID with SYNCLINE_FROM_API_KEY_SECRET, or the account with
    SYNCLINE_FROM_AUTH_TOKEN; on a terminal you are asked for that token. The server to write to and
    its credentials are found as for `syncline doc`, but the account's own login is preferred to a
    token that would be made for an identity: the account can write every object.
    """
    if (file is None) == (from_url is None):
        raise click.UsageError("give either FILE or --from-url.")
    if from_url is not None and from_account is None:
        raise click.UsageError("--from-url needs --from-account.")
    if create_service and not is_service_sid(access.service):
        raise click.UsageError("--create-service needs --service IS…, the SID of the new service.")
    stop = threading.Event()
    make_client = functools.partial(RetryingClient, retries=retries, stop=stop)
    with ExitStack() as resources:
        enter = resources.enter_context
        source: Source
        if file is not None:
            source, name = enter(_lines(file, partial)), str(Path(file).resolve())
            state = state or (None if file == "-" else Path(f"{file}.state"))
        else:
            assert from_url is not None and from_account is not None
            login = source_login(
                from_url, from_account, from_service, from_stdin=from_auth_token_stdin
            )
            login = replace(login, tls=from_ca_cert or with_system_authorities(access.tls))
            source = Listing(enter(open_service(login, make_client)), page_size)
            name = f"{from_account} at {_name(login)}"
            state = state or _default_state_file(from_account, from_service)
        if create_service:
            ensure_service(access, make_client)
        target = enter(open_service(access, make_client))
        # A request to the target before reading the source: a wrong URL or login fails at once.
        target.documents.page({"PageSize": "1"})
        checkpoint = enter(open_checkpoint(state, {"source": name, "target": _name(access)}))
        executor = enter(ThreadPoolExecutor(concurrency))
        uploader = Uploader(
            target,
            checkpoint,
            on_conflict=OnConflict(on_conflict),
            executor=executor,
            stop=stop,
            keep_sids=keep_sids,
        )
        visible = not (verbose and sys.stdout.isatty())
        progress = enter(Progress("Importing", source.total, visible))
        try:
            counts = Transfer(
                source=source,
                uploader=uploader,
                checkpoint=checkpoint,
                progress=progress,
                verbose=verbose,
            ).run()
        except BaseException:
            if state is not None:
                progress.print_line(
                    f"interrupted; run the same command again to continue from {state}"
                )
            raise
    show_counts(counts)
    if counts[Outcome.FAILED]:
        raise click.exceptions.Exit(Exit.REFUSED)


@contextmanager
def _lines(file: str, partial: bool) -> Iterator[Lines]:
    with cast(BinaryIO, click.open_file(file, "rb")) as stream:
        status = None if file == "-" else os.fstat(stream.fileno())
        if status is not None and not stat.S_ISREG(status.st_mode):
            status = None
        yield Lines(stream, status, partial)


def _default_state_file(account: str, service: str) -> Path:
    return Path(quote(f"syncline-import-{account}-{service}.state", safe=""))


def _name(access: Access) -> str:
    return f"{access.url}, service {access.service}"
