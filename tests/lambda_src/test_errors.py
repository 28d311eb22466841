import re
import runpy
from pathlib import Path

import pytest

from classifier_proxy import errors
from classifier_proxy.errors import MODEL_REJECTIONS, error_classes, to_proxy_error

MODEL_SERVER_ERRORS = Path(__file__).parents[2] / "model_code" / "classifier" / "errors.py"
GROUPS = {errors.ProxyError, errors.RequestError, errors.UploadsError, errors.EndpointError}


def every_error() -> set[type[errors.ProxyError]]:
    return {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.ProxyError)
    }


def test_every_error_but_the_groups_is_one_of_the_api() -> None:
    assert set(error_classes()) == every_error() - GROUPS - {errors.ModelRejectionError}
    for error in error_classes():
        assert {"status", "code", "message"} <= vars(error).keys(), error


def test_codes_are_snake_case_and_each_means_one_thing() -> None:
    codes = [error.code for error in error_classes()]

    assert len(codes) == len(set(codes))
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", code) for code in codes)


def test_what_passes_by_itself_says_when_to_try_again() -> None:
    for error in error_classes():
        assert (error.retry_after_seconds is not None) == (error.status in {429, 503}), error


def test_the_callers_faults_are_4xx_and_ours_are_not() -> None:
    for error in error_classes():
        if issubclass(error, errors.RequestError):
            assert 400 <= error.status < 500, error
        elif error is not errors.RouteNotFoundError:
            assert error.status in {429, 500, 502, 503, 504}, error


@pytest.mark.parametrize("error", error_classes())
def test_an_error_has_its_own_message_or_that_of_its_class(error: type[errors.ProxyError]) -> None:
    assert error().message == str(error()) == error.message
    assert error("Its own.").message == str(error("Its own.")) == "Its own."
    assert to_proxy_error(raised := error()) is raised


def test_the_containers_refusals_are_those_of_its_own_table() -> None:
    known: dict[str, int] = runpy.run_path(str(MODEL_SERVER_ERRORS))["STATUS_BY_CODE"]

    passed_on = {code: status for code, status in known.items() if status in MODEL_REJECTIONS}
    pairs = {(code, status) for status, codes in MODEL_REJECTIONS.items() for code in codes}
    assert set(passed_on.items()) == pairs


def test_a_rejection_by_the_model_has_the_containers_status_code_and_message() -> None:
    error = errors.ModelRejectionError(422, "image_truncated", "It ends early.")

    assert (error.status, error.code, error.message) == (422, "image_truncated", "It ends early.")


def test_any_other_exception_becomes_an_internal_error_without_details() -> None:
    error = to_proxy_error(KeyError("secret"))

    assert type(error) is errors.InternalError
    assert "secret" not in str(error)
