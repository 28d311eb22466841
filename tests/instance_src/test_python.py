"""The program runs in the system's Python of Amazon Linux 2023."""

import ast
from pathlib import Path

import pytest

INSTANCE_SRC = Path(__file__).resolve().parents[2] / "instance_src"
SYSTEM_PYTHON = (3, 9)


@pytest.mark.parametrize("path", sorted(INSTANCE_SRC.rglob("*.py")), ids=lambda path: path.name)
def test_the_systems_python_can_read_it(path: Path) -> None:
    tree = ast.parse(path.read_text(), feature_version=SYSTEM_PYTHON)
    annotated = any(isinstance(node, (ast.AnnAssign, ast.arg)) for node in ast.walk(tree))
    future = "from __future__ import annotations" in path.read_text()
    assert future or not annotated
