"""`make predict` and the beginning of `make up`, in a clone where nothing is installed."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from local_cloud.place import Place, Record
from tests.tools.local.api import Api, Response, predicted
from tests.tools.local.test_deployment import DEPLOYMENT
from tests.tools.run_make import make
from tests.tree_copy import copy_parts
from tools.cdk import ROOT
from tools.local.chosen_preset import keep_preset

CAT = ROOT / "samples" / "cat.jpg"
COPIED = (
    "Makefile", "config", "local_cloud", "model_code/classifier/errors.py",
    "model_code/classifier/image/formats.py", "requirements", "requirements.txt", "stacks", "tools",
)  # fmt: skip
SHOWN = predicted({"label": "cat", "index": 0, "probability": 0.5})


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("clones") / "it's a folder"
    copy_parts(COPIED, root)
    return root


@pytest.fixture
def photos(clone: Path) -> Path:
    folder = clone / "photos"
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "inner").mkdir(parents=True)
    for name in ('a $b "c".jpg', "b.PNG", "inner/[1] d'e;touch x.jpeg", "notes.txt"):
        shutil.copy(CAT, folder / name)
    return folder


def message_of(ended: subprocess.CompletedProcess[str]) -> str:
    assert ended.returncode == 2  # make's own status
    return "\n".join(line for line in ended.stderr.splitlines() if not line.startswith("make: "))


@pytest.mark.parametrize(
    ("named", "classified"),
    [
        ('photos/a $b "c".jpg', 1),
        ("photos/inner/[1] d'e;touch x.jpeg", 1),
        ("photos", 3),  # one of them is named notes.txt
        ("photos/*", 3),
        ("photos/**/*.jp*g", 2),
        ("$(shell touch x)", 0),
        ("`touch x`", 0),
    ],
)
def test_an_image_is_a_path_a_folder_or_a_pattern_and_no_shell_reads_it(
    clone: Path, photos: Path, named: str, classified: int
) -> None:
    assert photos.exists()
    with Api(SHOWN) as api:
        replace(DEPLOYMENT, api_url=api.url).write(clone / "build" / "local.json")
        given = make(clone, "predict", f"IMAGE={named}")
        assert len(api.received) == classified
        make(clone, "predict", IMAGE=named)
        assert len(api.received) == 2 * classified
    assert given.stdout.count("50.00%") == classified
    if classified:
        assert (given.returncode, given.stderr) == (0, "")
    else:
        assert message_of(given).startswith(f"{named} does not exist: expected an image, a folder")


def test_of_several_images_each_is_named_and_one_that_fails_is_no_end(
    clone: Path, photos: Path
) -> None:
    refusal = Response(400, {"error": {"code": "not_an_image", "message": "No."}})
    with Api(refusal, SHOWN) as api:
        replace(DEPLOYMENT, api_url=api.url).write(clone / "build" / "local.json")
        ended = make(clone, "predict", f"IMAGE={photos}", "TOP_K=3", "SCORES=logits")
        assert [one.path for one in api.received] == 3 * ["/v1/predict?top_k=3&scores=logits"]
    assert ended.stdout.splitlines() == [
        f"{photos}/b.PNG         cat   50.00%",
        f"{photos}/notes.txt     cat   50.00%",
    ]
    refused = f'{photos}/a $b "c".jpg: The API responded with 400 (not_an_image): No.'
    assert message_of(ended) == refused


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ((), "IMAGE: expected a file, a folder or a pattern such as photos/*.jpg"),
        (("IMAGE=",), "IMAGE: expected a file, a folder or a pattern such as photos/*.jpg"),
        (("IMAGE=none/*.jpg",), "none/*.jpg matches no file: expected an image, a folder of"),
        (("IMAGE=config",), "config is a folder without JPEG, PNG or WebP files."),
        (("IMAGE=a.jpg", "TOP_K=0"), "TOP_K: '0' is neither a whole number above 0 nor `all`"),
        (("IMAGE=a.jpg", "ORDER=label"), "ORDER: invalid choice: 'label'"),
        (("IMAGE=a.jpg", "SCORES=$(x)"), "SCORES: invalid choice: '$(x)'"),
        (("IMAGE=a.jpg", "ORDER=class", "TOP_K=3"), "ORDER=class returns every class; remove"),
        (("IMAGE=-a.jpg",), "-a.jpg does not exist"),
    ],
)  # fmt: skip
def test_a_wrong_variable_of_predict_is_named(
    clone: Path, variables: Sequence[str], message: str
) -> None:
    assert message_of(make(clone, "predict", *variables)).startswith(message)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (("PORT=http",), "PORT: 'http' is not a port: expected 0 to 65535"),
        (("PORT=65536",), "PORT: '65536' is not a port"),
        (("PUBLIC_PORT=$(touch x)",), "PUBLIC_PORT: '$(touch x)' is not a port"),
        (("STAGE=it's",), "make up deploys the stage local to this machine; for it's: make deploy"),
    ],
)
def test_a_wrong_variable_of_up_is_named_before_anything_is_installed(
    clone: Path, variables: Sequence[str], message: str
) -> None:
    assert message_of(make(clone, "up", *variables)).startswith(message)


@pytest.mark.parametrize("name", ["dgos", "../local", "$(shell touch x)", "`touch x`"])
def test_an_unknown_preset_is_found_before_anything_is_installed(clone: Path, name: str) -> None:
    message = message_of(make(clone, "up", "PORT=0", "PUBLIC_PORT=0", PRESET=name))
    assert message.startswith(f"PRESET = {name!r} is no preset")
    assert "Expected one of dogs, dogs-scaled, mobilenet-serverless, notebook, resnet50" in message


def test_another_preset_than_that_of_the_running_cloud_is_refused_before_anything_is_installed(
    clone: Path,
) -> None:
    state = clone / "build" / "local-cloud"
    # This process takes the place of the cloud's.
    record = Record(
        process_id=os.getpid(), process_started_at=0, port=1, public_port=2, region="us-east-1"
    )
    state.mkdir(parents=True)
    try:
        Place(state).write_record(record)
        keep_preset(state, "dogs")
        message = message_of(make(clone, "up", PRESET="notebook"))
        assert message.startswith("PRESET=notebook: the local cloud that is running has the preset")
        assert "dogs" in message
        assert "`make down`" in message
    finally:
        shutil.rmtree(state)


def test_a_port_in_use_is_found_before_anything_is_installed(clone: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        message = message_of(make(clone, "up", "PORT=0", f"PUBLIC_PORT={port}"))
    assert message.startswith(f"Port {port} on 127.0.0.1 cannot be used")
    assert "make up PORT=" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[api\n", "config/local.toml is not valid TOML: "),
        (b"\xff", "config/local.toml is not valid TOML: "),
        (b"a = " + 100_000 * b"[", "config/local.toml is not valid TOML: "),
        (None, "stage = 'local': expected one of dev, prod"),
    ],
)
def test_a_stage_file_that_cannot_be_read_is_found_before_anything_is_installed(
    clone: Path, content: bytes | None, message: str
) -> None:
    file = clone / "config" / "local.toml"
    try:
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)
        assert message_of(make(clone, "up", "PORT=0", "PUBLIC_PORT=0")).startswith(message)
    finally:
        shutil.copy(ROOT / "config" / "local.toml", file)


def test_help_lists_each_command_once_and_what_a_new_user_needs_first(clone: Path) -> None:
    ended = make(clone, "help", "PORT=$(touch x)")
    sections = ended.stdout.split("\n\n")
    titles = [section.splitlines()[0] for section in sections]
    assert titles == [
        "On this machine", "On AWS", "Models and environments", "Checks", "Variables"
    ]  # fmt: skip
    assert sections[0].splitlines()[1].split()[:2] == ["make", "up"]
    listed = re.findall(r"^  make (\S+) ", ended.stdout, re.MULTILINE)
    documented = re.findall(r"^([a-z-]+):.*## ", (clone / "Makefile").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted({*documented} - {"help"})
    assert "PORT=$(touch x)" in sections[-1]
