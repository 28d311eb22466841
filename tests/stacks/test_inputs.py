from pathlib import Path

import pytest

from stacks.errors import InputError
from stacks.inputs import load_inputs
from tests.stacks.fake_inputs import (
    IDENTITY,
    write_model,
    write_page,
    write_proxy,
)


def test_missing_proxy_code_names_what_builds_it(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        load_inputs(
            "dev",
            write_model(tmp_path / "model"),
            proxy_directory=tmp_path / "proxy",
            page_directory=write_page(tmp_path / "page"),
            repository=tmp_path,
        )
    assert "`python -m tools.bundles.proxy`" in str(raised.value)
    assert "-c proxy=" in str(raised.value)


@pytest.mark.parametrize("missing", ["index.html", "404.html"])
def test_a_missing_page_names_what_builds_it(tmp_path: Path, missing: str) -> None:
    (write_page(tmp_path / "page") / missing).unlink()
    with pytest.raises(InputError) as raised:
        load_inputs(
            "dev",
            write_model(tmp_path / "model"),
            proxy_directory=write_proxy(tmp_path / "proxy"),
            page_directory=tmp_path / "page",
            repository=tmp_path,
        )
    assert f"expected {missing} there" in str(raised.value)
    assert "`python -m tools.bundles.web`" in str(raised.value)
    assert "-c page=" in str(raised.value)


def test_finds_everything(tmp_path: Path) -> None:
    inputs = load_inputs(
        "dev",
        write_model(tmp_path / "model"),
        proxy_directory=write_proxy(tmp_path / "proxy"),
        page_directory=write_page(tmp_path / "page"),
        repository=tmp_path,
    )
    assert inputs.model.identity == IDENTITY
    assert inputs.proxy_directory == tmp_path / "proxy"
    assert inputs.samples_directory == tmp_path / "config" / "samples"
