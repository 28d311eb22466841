"""Each documented error has a request in tests/local/statuses, or a reason why it has none."""

from tests.local.statuses.ways import OUT_OF_REACH, WAYS
from tools.api_docs.error_rows import error_rows


def test_every_row_has_a_request_or_a_reason() -> None:
    rows = {row[:3] for row in error_rows()}
    assert len(rows) == len(error_rows()), "status, code and source name a row"
    assert WAYS.keys() | OUT_OF_REACH.keys() == rows
    assert WAYS.keys().isdisjoint(OUT_OF_REACH)
