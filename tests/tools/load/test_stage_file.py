"""What was measured is written into a stage's file, whose comments and order stay."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stacks.settings.stage import load_stage_settings
from tools.cdk import ROOT
from tools.console import ToolError
from tools.load.stage_file import Value, set_values, write_capacity, write_settings

VALUES: dict[str, Value] = {
    "measured_capacity_per_second": 21.5,
    "measured_capacity_of": "ml.m5.large int8",
}
ADDED = 'measured_capacity_per_second = 21.5\nmeasured_capacity_of = "ml.m5.large int8"\n'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", f"[serving]\n{ADDED}"),
        ("# only a comment\n", f"# only a comment\n\n[serving]\n{ADDED}"),
        (
            "[api]\nmemory_mb = 512 # small\n",
            f"[api]\nmemory_mb = 512 # small\n\n[serving]\n{ADDED}",
        ),
        (
            "[serving] # the endpoint\n# why\nmax_batch = 4\n\n# about the API\n[api]\n",
            f"[serving] # the endpoint\n# why\nmax_batch = 4\n{ADDED}\n# about the API\n[api]\n",
        ),
        (
            "[serving]\nmeasured_capacity_of = 'x' # old\nmax_batch = 4",
            '[serving]\nmeasured_capacity_of = "ml.m5.large int8" # old\nmax_batch = 4\n'
            + ADDED.partition("measured_capacity_of")[0],
        ),
        (
            '[a]\nmeasured_capacity_of = "x"\n[serving]\n[b]\nmeasured_capacity_of = "y"\n',
            f'[a]\nmeasured_capacity_of = "x"\n[serving]\n{ADDED}[b]\nmeasured_capacity_of = "y"\n',
        ),
        (
            "[serving]\n[api]\nx = 1\n[[api.schedule]]\ny = 2\n",
            f"[serving]\n{ADDED}[api]\nx = 1\n[[api.schedule]]\ny = 2\n",
        ),
    ],
)
def test_comments_and_order_stay(before: str, after: str) -> None:
    assert set_values(before, "serving", VALUES) == after
    assert set_values(after, "serving", VALUES) == after


@pytest.mark.parametrize("stage", ["dev", "local", "prod"])
def test_each_stage_of_the_repository_can_be_written(stage: str, tmp_path: Path) -> None:
    file = tmp_path / f"{stage}.toml"
    before = (ROOT / "config" / f"{stage}.toml").read_text(encoding="utf-8")
    file.write_text(before, encoding="utf-8")
    written = write_capacity(
        file, 12.3456, f"{'local' if stage == 'local' else 'ml.m5.large'} fp32"
    )
    assert written == 12.3
    serving = load_stage_settings(stage, tmp_path).serving
    assert serving.measured_capacity_per_second == 12.3
    lines = file.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if "measured_capacity" not in line][: before.count("\n")] == (
        before.splitlines()
    )


@pytest.mark.parametrize(
    ("capacity", "written"),
    [(0.5, 0.5), (0.98765, 0.987), (9.999, 9.99), (43.9, 43.9), (127.9, 127.0)],
)
def test_three_digits_are_written_and_never_more_than_was_measured(
    capacity: float, written: float, tmp_path: Path
) -> None:
    file = tmp_path / "dev.toml"
    file.touch()
    assert write_capacity(file, capacity, "ml.m5.large fp32") == pytest.approx(written)


@pytest.mark.parametrize(
    "text",
    [
        "serving = {max_batch = 4}\n",
        "serving.max_batch = 4\n",
        '[serving]\nnote = """\n[serving]\nmax_batch = 1\n"""\n[api]\n',
    ],
)
def test_a_form_that_cannot_be_changed_safely_is_left_as_it_is(text: str, tmp_path: Path) -> None:
    file = tmp_path / "dev.toml"
    file.write_text(text, encoding="utf-8")
    tomllib.loads(text)
    with pytest.raises(ToolError, match=r"measured_capacity_per_second = 21\.5"):
        write_settings(file, "serving", VALUES)
    assert file.read_text(encoding="utf-8") == text


KEYS = st.sampled_from(["max_batch", "measured_capacity_per_second", "decode"])
LINES = st.one_of(
    st.just(""),
    st.just("# [serving]"),
    KEYS.map(lambda key: f"{key} = 1 # measured_capacity_of = 2"),
)


@given(st.lists(LINES, max_size=6, unique=True), st.booleans())
def test_any_document_keeps_its_other_values(lines: list[str], has_header: bool) -> None:
    text = "\n".join(
        [*(["[serving]"] if has_header else ["[api]"]), *lines, "[web]", "enabled = true"]
    )
    keys = [line.partition(" ")[0] for line in lines if "=" in line]
    assert len(keys) == len(set(keys))
    expected = tomllib.loads(text)
    expected["serving"] = {**expected.get("serving", {}), **VALUES}
    assert tomllib.loads(set_values(text, "serving", VALUES)) == expected
