"""The words that this project does not use, in texts that have them and in texts that do not."""

import pytest

from tools import words


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a picture of a cat", "picture"),
        ("PICTURE_BYTES = 1", "PICTURE"),
        ("class ApiAnswer:", "Answer"),
        ("the API answers", "answer"),
        ("whom to ask", "ask"),
        ("def ask_endpoint(): ...", "ask"),
        ("it was Asked twice", "Asked"),
        ("Whoever calls", "Whoever"),
        ("MAXIMUM_BYTES = 1", "MAXIMUM_"),
        ("_LONGEST = LONGEST_NAME", "LONGEST_"),
    ],
)
def test_a_word_that_is_not_used_is_found(text: str, word: str) -> None:
    found = list(words.find_words(f"first line\n{text}\n"))
    assert word in {finding.word for finding in found}
    assert {finding.line for finding in found} == {2}


@pytest.mark.parametrize(
    "text",
    [
        "a task, a mask, a flask and a basket",
        "<picture><img></picture>",
        "![The page](docs/images/page-answer.png)",
        "at most this many; the minimum_ratio; MAX_BYTES",
    ],
)
def test_other_words_are_not(text: str) -> None:
    assert list(words.find_words(text)) == []


def test_what_was_found_is_printed_with_its_place(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(words, "LEFT_OUT", ())
    monkeypatch.setattr(words, "FOLDERS", ("tools",))
    monkeypatch.setattr(words, "FILES", ())
    assert words.main() == 1
    printed = capsys.readouterr().out
    assert "tools/words.py:" in printed
    assert "'picture': write image\n" in printed


def test_this_project_has_none() -> None:
    assert words.main() == 0
