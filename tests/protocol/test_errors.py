from __future__ import annotations

import copy
import pickle
from http import HTTPStatus

import pytest

from syncline_protocol.errors import Code, Refusal


@pytest.mark.parametrize("code", Code)
def test_each_code_has_a_real_status_of_the_error_classes(code: Code) -> None:
    assert 400 <= HTTPStatus(code.status) < 600


def test_two_errors_never_share_a_code() -> None:
    assert all(name == code.name for name, code in Code.__members__.items())


@pytest.mark.parametrize("code", Code)
def test_only_overload_and_absence_are_worth_another_try(code: Code) -> None:
    overload = {Code.RATE_LIMITED, Code.TOO_MANY_REQUESTS}
    assert code.retry == (code in {*overload, Code.UNAVAILABLE})


@pytest.mark.parametrize("code", Code)
def test_codes_of_the_pattern_20000_plus_status_have_that_status(code: Code) -> None:
    # 20422 is 400 by the vendor's word.
    if 20400 <= code < 20600 and code is not Code.INVALID_PARAMETER:
        assert code == 20000 + code.status


def test_a_code_is_its_number() -> None:
    assert int(Code.REVISION_MISMATCH) == 54103
    assert Code.REVISION_MISMATCH.status == 412


def test_a_code_survives_copying_and_pickling() -> None:
    assert copy.deepcopy(Code.CONFLICT) is Code.CONFLICT
    assert pickle.loads(pickle.dumps(Code.CONFLICT)) is Code.CONFLICT


def test_a_refusal_reads_as_its_sentence() -> None:
    refusal = Refusal(Code.CONFLICT, "No.")

    assert str(refusal) == refusal.message == "No."
    assert repr(refusal) == "Refusal(20409, 'No.')"
    assert refusal.newest is None
