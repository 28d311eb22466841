"""Requests for an upload's address that are made from the API's document."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import settings

from tests.local.generated_api import OPERATIONS, check_case, open_session
from tests.local.generation import REPRODUCIBLE
from tools.local.deployment import LocalDeployment

GENERATED_REQUESTS = 400
# `include` would not leave out the others: the configuration has an operation, too.
schema = OPERATIONS.exclude(operation_id=["predict", "health"])

pytestmark = pytest.mark.usefixtures("takes_uploads")


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with open_session() as opened:
        yield opened


@pytest.fixture(scope="module")
def statuses() -> Counter[int]:
    return Counter()


@schema.parametrize()
@settings(REPRODUCIBLE, max_examples=GENERATED_REQUESTS)
def test_no_request_gets_an_undocumented_response(
    case: schemathesis.Case[Any],
    deployment: LocalDeployment,
    session: requests.Session,
    statuses: Counter[int],
) -> None:
    statuses[check_case(case, deployment, session)] += 1


def test_they_are_of_both_kinds(statuses: Counter[int]) -> None:
    assert statuses[200] > GENERATED_REQUESTS / 10
    assert statuses[400] > GENERATED_REQUESTS / 10
