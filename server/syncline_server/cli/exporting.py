"""`syncline export`: writes every document of a service as JSON lines."""

from __future__ import annotations

import functools
import os
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, cast

import click

from .access import Access
from .access_options import with_account_login
from .options import page_size_option, retries_option
from .output import show_counts
from .progress import Progress
from .records import End, to_line
from .rest import open_documents
from .retrying_client import RetryingClient

__all__ = ["export"]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default="-")
@page_size_option
@retries_option
@with_account_login
def export(access: Access, file: Path, page_size: int, retries: int) -> None:
    """Write all documents of a service to FILE, or to stdout.

    Each line is one document as JSON, with the properties that REST returns; the last line holds
    the number of documents. FILE is created or replaced only when the export is complete. `syncline
    import` reads it.

    The server and the credentials are found as for `syncline doc`, but the account's own login is
    preferred to a token that would be made for an identity: the account can read every document.
    """
    make_client = functools.partial(RetryingClient, retries=retries, stop=threading.Event())
    to_stdout = str(file) == "-"
    exported = 0
    with (
        open_documents(access, make_client) as documents,
        _opened(file) as lines,
        Progress("Exporting", None, visible=not (to_stdout and sys.stdout.isatty())) as progress,
    ):
        for page in documents.pages(page_size):
            lines.writelines(map(to_line, page))
            exported += len(page)
            progress.advance(len(page), len(page))
        lines.write(End(exported).to_line())
    if not to_stdout:
        show_counts({"exported": exported})


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
