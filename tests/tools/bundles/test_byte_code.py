import os
import subprocess
import sys
from pathlib import Path

import pytest

from tools.bundles.byte_code import RUNTIME_VERSION, compile_files, find_interpreter
from tools.bundles.proxy import BundleError, write_bundle
from tools.cdk import ROOT

THIS_VERSION = sys.version_info[:2]
SOURCE = {"classifier_proxy/__init__.py": b"", "classifier_proxy/module.py": b"VALUE = 42\n"}


def run_module(bundle: Path) -> subprocess.CompletedProcess[str]:
    program = f"import sys; sys.path.insert(0, {str(bundle)!r})\n"
    program += "from classifier_proxy import module; print(module.VALUE)"
    return subprocess.run(
        [sys.executable, "-I", "-B", "-c", program], capture_output=True, text=True, check=False
    )


def test_python_runs_the_byte_code_and_does_not_read_the_source(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle"
    write_bundle({**SOURCE, "bundle.json": b"{}"}, bundle, Path(sys.executable))
    source = bundle / "classifier_proxy" / "module.py"
    # Another time, another size and another hash: any check against the source would fail.
    source.write_text("raise RuntimeError('the source was read')\n")
    os.utime(source, (0, 0))

    assert run_module(bundle).stdout == "42\n"

    (
        bundle / "classifier_proxy/__pycache__" / f"module.{sys.implementation.cache_tag}.pyc"
    ).unlink()
    assert "the source was read" in run_module(bundle).stderr


def test_byte_code_names_no_folder_of_this_machine() -> None:
    compiled = compile_files(SOURCE, Path(sys.executable))

    assert len(compiled) == len(SOURCE)
    assert b"/var/task/classifier_proxy/module.py" in b"".join(compiled.values())
    assert b"whippet-byte-code" not in b"".join(compiled.values())


def test_a_source_that_does_not_compile_stops_the_bundle(tmp_path: Path) -> None:
    files = {"classifier_proxy/broken.py": b"def :", "bundle.json": b"{}"}

    with pytest.raises(BundleError, match=r"cannot compile the bundle: (?s:.*)SyntaxError"):
        write_bundle(files, tmp_path / "bundle", Path(sys.executable))
    assert not (tmp_path / "bundle").exists()


def test_an_interpreter_is_found_behind_names_that_do_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"python{THIS_VERSION[0]}.{THIS_VERSION[1]}"
    shims, real = tmp_path / "shims", tmp_path / "real"
    for folder, script in ((shims, "exit 127"), (real, f'exec "{sys.executable}" "$@"')):
        folder.mkdir()
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{shims}{os.pathsep}{real}")
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find_interpreter(THIS_VERSION) == real / name
    monkeypatch.setenv("PATH", str(shims))
    assert find_interpreter(THIS_VERSION) is None


def test_another_version_under_the_name_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "python2.7").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))

    assert find_interpreter((2, 7)) is None


def test_the_version_is_the_functions() -> None:
    runtime = "PYTHON_{}_{}".format(*RUNTIME_VERSION)

    assert (
        f"lambda_.Runtime.{runtime},"
        in (ROOT / "stacks/components/api/api_function.py").read_text()
    )
