"""The import graph of each program has no circles, and its arrows point one way."""

import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

from tools.cdk import ROOT

# The folder that holds the packages, and the packages of one program.
PROGRAMS = {
    "app and tools": (ROOT, ("stacks", "tools", "local_cloud")),
    "proxy": (ROOT / "lambda_src", ("classifier_proxy",)),
    "model": (ROOT / "model_code", ("classifier",)),
}


def imports_of(folder: Path, packages: tuple[str, ...]) -> dict[str, set[str]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        graph = grimp.build_graph(*packages, cache_dir=None)
    return {
        module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules
    }


def circle_of(imports: dict[str, set[str]]) -> list[str]:
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return circle
    return []


@pytest.mark.parametrize("program", PROGRAMS)
def test_no_module_imports_itself_by_way_of_others(program: str) -> None:
    imports = imports_of(*PROGRAMS[program])
    assert len(imports) > 20
    assert circle_of(imports) == []


def test_a_circle_is_found(tmp_path: Path) -> None:
    (tmp_path / "round").mkdir()
    for name, other in (("__init__", ""), ("one", "two"), ("two", "three"), ("three", "one")):
        line = f"from round import {other}\n" if other else ""
        (tmp_path / "round" / f"{name}.py").write_text(line)
    found = circle_of(imports_of(tmp_path, ("round",)))
    assert set(found) == {"round.one", "round.two", "round.three"}


def test_the_stacks_need_no_tool_and_no_local_cloud() -> None:
    imports = imports_of(*PROGRAMS["app and tools"])
    for module, imported in imports.items():
        package = module.partition(".")[0]
        beyond = {name.partition(".")[0] for name in imported} - {package}
        assert package == "tools" or not beyond, f"{module} imports {beyond}"


def test_what_serves_needs_nothing_of_training() -> None:
    for module, imported in imports_of(*PROGRAMS["model"]).items():
        if ".training" not in module:
            assert not {name for name in imported if ".training" in name}, module


def test_no_tool_imports_aws_cdk_which_starts_node() -> None:
    graph = grimp.build_graph("tools", "stacks", include_external_packages=True, cache_dir=None)
    assert graph.chain_exists("stacks.application", "aws_cdk", as_packages=False)
    for module in graph.find_descendants("tools"):
        chain = graph.find_shortest_chain(importer=module, imported="aws_cdk")
        assert chain is None, " imports ".join(chain)
