"""`syncline export`: writes every object of a service as JSON lines."""

from __future__ import annotations

import functools
import os
import stat
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import click

from .access import Access
from .access_options import with_account_login
from .export_lines import export_line
from .help import Command
from .object_rest import open_service
from .options import page_size_option, retries_option
from .output import show_counts
from .progress import Progress
from .records import DOCUMENT_KIND, End
from .retrying_client import RetryingClient
from .walk import Walk

__all__ = ["export"]


@click.command(cls=Command)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="-")
@page_size_option
@retries_option
@with_account_login
def export(access: Access, file: Path, page_size: int, retries: int) -> None:
    """Write all objects of a service to FILE, or to stdout.

    Each line is a document as JSON, with the properties that REST returns, or with a "type" a list,
    map, stream, item or permission; the last line counts them. FILE is created or replaced only
    when the export is complete. `syncline import` reads it.

    The server and the credentials are found as for `syncline doc`, but the account's own login is
    preferred to a token that would be made for an identity: the account can read every object, and
    only the account can read permissions.
    """
    make_client = functools.partial(RetryingClient, retries=retries, stop=threading.Event())
    to_stdout = str(file) == "-"
    counts = Counter[str]()
    with (
        open_service(access, make_client) as service,
        _opened(file) as lines,
        Progress("Exporting", None, visible=not (to_stdout and sys.stdout.isatty())) as progress,
    ):
        walk = Walk(service, page_size)
        for page in walk.pages(None):
            lines.writelines(export_line(page.kind, resource) for resource in page.resources)
            counts[page.kind] += len(page.resources)
            progress.advance(len(page.resources), len(page.resources))
        documents = counts.pop(DOCUMENT_KIND, 0)
        end = End(documents, {kind: count for kind, count in counts.items() if count})
        lines.write(end.to_line())
        if not walk.has_permissions:
            progress.print_line("permissions were not exported: only the account can read them")
    if not to_stdout:
        show_counts({"exported": end.total})


@contextmanager
def _opened(file: Path) -> Iterator[BinaryIO]:
    """The stream to write to; a regular file is replaced only if the block ends without error.

    Raises:
        click.UsageError: `file` cannot be written.
    """
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        # Write into a pipe or a device: renaming a file over it would replace it.
        if file.exists() and not stat.S_ISREG(file.stat().st_mode):
            with file.open("wb") as stream:
                yield stream
        else:
            with _replacing(file.resolve()) as stream:
                yield stream
    except OSError as error:
        raise click.UsageError(f"{file} cannot be written: {error.strerror}.") from None


@contextmanager
def _replacing(file: Path) -> Iterator[BinaryIO]:
    """A temporary file beside `file`, mode 600, that is renamed to `file` at the end."""
    with NamedTemporaryFile(
        dir=file.parent, prefix=f"{file.name}.", suffix=".part", delete=False
    ) as part:
        try:
            yield cast(BinaryIO, part.file)
            # The data must be on disk before the rename, or a crash could leave an empty `file`.
            part.flush()
            os.fsync(part.fileno())
            os.replace(part.name, file)
        except BaseException:
            os.unlink(part.name)
            raise
