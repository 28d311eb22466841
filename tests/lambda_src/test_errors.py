import re
import runpy
from dataclasses import replace
from pathlib import Path

import pytest

from classifier_proxy import errors
from classifier_proxy.error_table import (
    ERROR_TABLE,
    INTERNAL_ERROR,
    MODEL_REJECTIONS,
    ErrorAnswer,
    answer_for,
)

MODEL_SERVER_ERRORS = Path(__file__).parents[2] / "model_code" / "classifier" / "errors.py"
KINDS = {errors.ProxyError, errors.RequestError, errors.EndpointError}


def every_error() -> set[type[errors.ProxyError]]:
    return {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ProxyError)
    }


def test_the_table_has_a_row_for_every_error() -> None:
    assert set(ERROR_TABLE) == every_error() - KINDS - {errors.ModelRejectionError}


def test_codes_are_snake_case_and_each_means_one_thing() -> None:
    codes = [row.code for row in (*ERROR_TABLE.values(), INTERNAL_ERROR)]

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code) for code in codes)


def test_what_passes_by_itself_says_when_to_try_again() -> None:
    for row in (*ERROR_TABLE.values(), INTERNAL_ERROR):
        assert (row.retry_after_seconds is not None) == (row.status in {429, 503}), row


def test_the_callers_faults_are_4xx_and_ours_are_not() -> None:
    for error, row in ERROR_TABLE.items():
        if issubclass(error, errors.RequestError):
            assert 400 <= row.status < 500, row
        elif error is not errors.RouteNotFoundError:
            assert row.status in {429, 500, 502, 503, 504}, row


@pytest.mark.parametrize("error", list(ERROR_TABLE))
def test_an_error_is_answered_with_its_own_text_or_the_tables(
    error: type[errors.ProxyError],
) -> None:
    row = ERROR_TABLE[error]

    assert answer_for(error()) == row
    assert answer_for(error("Its own.")) == replace(row, message="Its own.")


def test_the_containers_refusals_are_those_of_its_own_table() -> None:
    known: dict[str, int] = runpy.run_path(str(MODEL_SERVER_ERRORS))["STATUS_BY_CODE"]

    passed_on = {code: status for code, status in known.items() if status in MODEL_REJECTIONS}
    pairs = {(code, status) for status, codes in MODEL_REJECTIONS.items() for code in codes}
    assert set(passed_on.items()) == pairs


def test_a_rejection_by_the_model_is_answered_in_its_words() -> None:
    rejection = errors.ModelRejectionError(422, "image_truncated", "It ends early.")

    assert answer_for(rejection) == ErrorAnswer(422, "image_truncated", "It ends early.")


def test_any_other_exception_says_nothing() -> None:
    assert answer_for(KeyError("secret")) is INTERNAL_ERROR
