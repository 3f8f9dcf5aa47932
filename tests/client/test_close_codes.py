from __future__ import annotations

from typing import Any

from support.vectors import each
from syncline import ConnectionLost, TokenExpired, Unauthorized
from syncline.close_codes import error_for_close, is_own

KINDS = {"lost": ConnectionLost, "token_expired": TokenExpired, "token_refused": Unauthorized}


@each("close_codes")
def test_vectors(vector: dict[str, Any]) -> None:
    error = error_for_close(vector["code"], vector["reason"])

    assert type(error) is KINDS[vector["error"]]
    assert error.retry is vector["retry"]
    assert vector["reason"] in str(error)
    assert is_own(vector["code"]) is vector["own"]


def test_a_break_without_a_close_frame_is_one_after_which_to_connect_again() -> None:
    error = error_for_close(None, "")

    assert isinstance(error, ConnectionLost)
    assert (error.code, error.retry) == (1006, True)
