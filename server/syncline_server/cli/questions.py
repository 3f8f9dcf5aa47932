"""A question before what cannot be undone."""

from __future__ import annotations

import sys

import click

from .failures import Declined, printable

__all__ = ["confirm", "yes_option"]

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def confirm(question: str, yes: bool) -> None:
    """Ask, unless `yes`; return only if the change is wanted.

    Raises:
        click.UsageError: there is no terminal to ask on.
        Declined: the answer is no.
    """
    if yes:
        return
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise click.UsageError(
            "this cannot be undone, and there is no terminal to ask: give --yes."
        )
    if not click.confirm(f"{printable(question)} This cannot be undone.", err=True):
        raise Declined
