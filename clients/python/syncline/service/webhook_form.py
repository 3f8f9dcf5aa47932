"""The form of a webhook, from whatever a web framework hands over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from syncline_protocol.jsonfaults import find_surrogate

__all__ = ["webhook_form"]


def webhook_form(params: Mapping[str, Any] | str | bytes) -> dict[str, str] | None:
    """Names and values; None if this is not a form with each name once, all values text.

    Args:
        params: the whole body; or the fields, whose values may be lists with one element, as
            `parse_qs` and some frameworks return them.
    """
    if isinstance(params, bytes):
        try:
            params = params.decode()
        except UnicodeDecodeError:
            return None
    pairs: list[tuple[Any, Any]]
    if isinstance(params, str):
        try:
            pairs = list(parse_qsl(params, keep_blank_values=True, errors="strict"))
        except ValueError:
            return None
    else:
        pairs = list(params.items())
    form: dict[str, str] = {}
    for name, value in pairs:
        if isinstance(value, list | tuple) and len(value) == 1:
            [value] = value
        if not isinstance(name, str) or not isinstance(value, str) or name in form:
            return None
        if find_surrogate(name + value) is not None:
            return None  # no webhook of ours: its text is UTF-8
        form[name] = value
    return form
