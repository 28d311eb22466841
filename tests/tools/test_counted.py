import pytest

from tools.counted import counted


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 files"), (1, "1 file"), (2, "2 files"), (21, "21 files"), (12_000, "12,000 files")],
)
def test_a_number_has_its_noun(count: int, text: str) -> None:
    assert counted(count, "file") == text
