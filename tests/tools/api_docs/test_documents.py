from tools.api_docs.documents import ERRORS_FILE, errors_document


def test_the_documented_errors_are_the_ones_that_the_code_has() -> None:
    assert ERRORS_FILE.read_text() == errors_document(), "renew it with `make documents`"
