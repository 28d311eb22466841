"""Wrong variables of `make batch`."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.tools.run_make import MAKE
from tests.tools.run_module import run_module
from tools.cdk import ROOT


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "SRC: expected a folder, or s3://<bucket>/<prefix>"),
        ({"SRC": "{here}"}, "DST: expected a folder, or s3://<bucket>/<prefix>"),
        ({"SRC": "{here}/none", "DST": "x"}, "{here}/none' is not a folder"),
        ({"SRC": "{here}", "DST": "{here}/results"}, "DST: expected a place outside of SRC"),
        ({"SRC": "s3://photos/a/", "DST": "s3://photos/a/b"}, "DST: expected a place outside of"),
        ({"SRC": "s3://photos", "DST": "x"}, "SRC: 's3://photos': expected s3://<bucket>/<key>"),
        ({"SRC": "{here}", "DST": "s3://X/y"}, "DST: 's3://X/y': expected s3://"),
        ({"RUN": "a_b"}, "RUN: 'a_b' is not the name of a run; expected up to 28 lower-case"),
        ({"RUN": "a-1", "SRC": "{here}"}, "SRC: leave it out: the run knows its images"),
        ({"RUN": "a-1", "DST": "s3://X/y"}, "DST: 's3://X/y': expected s3://"),
        ({"STOP": "1"}, "RUN: expected the name of the run to stop"),
    ],
)
def test_a_wrong_variable_is_named(variables: dict[str, str], message: str, tmp_path: Path) -> None:
    given = {name: value.format(here=tmp_path) for name, value in variables.items()}
    stop = ["--stop"] if given.pop("STOP", None) else []
    environment = {f"WHIPPET_{name}": value for name, value in given.items()}
    ended = run_module(
        "tools.batch.run", "--from-make", *stop, environment={**os.environ, **environment}
    )
    assert ended.returncode == 2
    assert message.format(here=tmp_path) in ended.stderr
    assert ended.stderr.count("\n") == 1


def test_make_passes_the_variables_on_and_no_shell_reads_them(tmp_path: Path) -> None:
    show = tmp_path / "show.mk"
    show.write_text("show:\n\t@env | grep -E '^WHIPPET_(SRC|DST|RUN|STAGE)='\n")
    # `include` takes no path with a space.
    command = [MAKE, "--silent", "-f", str(ROOT / "Makefile"), "-f", str(show)]
    variables = ["SRC=a $$(touch x)", "DST=b c", "RUN=r", "STOP=1"]
    for target, lines in (
        (["show"], ["WHIPPET_SRC=a $$(touch x)", "WHIPPET_DST=b c", "WHIPPET_RUN=r"]),
        (["--dry-run", "batch"], ["-m tools.batch.run --from-make --stop"]),
    ):
        ended = subprocess.run(
            [*command, *target, *variables],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert all(line in ended.stdout for line in lines)
    assert not (tmp_path / "x").exists()
