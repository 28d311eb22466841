"""train.py --mode finetune: its stages, and a run that is interrupted and goes on."""

from __future__ import annotations

import hashlib
import io
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import train
from classifier.training.command_line import parse_options
from classifier.training.dataset.demo_data import mark_as_demo
from classifier.training.finetune import artifact, batches, loop, run
from classifier.training.finetune.batches import BatchOrder, fitting_process_count, make_batches
from classifier.training.finetune.images import LabelledImages, find_dataset
from classifier.training.finetune.interruption import Interruption
from classifier.training.finetune.loop import Evaluation, train_steps
from classifier.training.finetune.optimisation import make_optimisation
from classifier.training.job import environment
from classifier.training.weights.network import (
    StateDict,
    digest,
    head_names,
    read_state_dict,
)
from tests.model_code.conftest import MODEL_CODE, NORMALISED

CPU = torch.device("cpu")
# squeezenet1_1 has neither batch normalisation nor a linear head, but dropout.
ARCHITECTURE = NORMALISED
SMALL = ("--crop", "32", "--resize", "36", "--batch-size", "5", "--seed", "3")
STEPS_OF_AN_EPOCH = 3  # twelve images in batches of five
EPOCHS = 3
DROPOUT = ("--architecture", "squeezenet1_1", *SMALL, "--epochs", str(EPOCHS),
           "--learning-rate", "1e-4")  # fmt: skip
Train = Callable[..., int]


class KilledError(BaseException):
    """In place of a signal that no program can catch."""


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Compute in one thread: on a busy machine, two would wait for each other in every layer."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _leave_out_the_export(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(artifact, "write_artifact", lambda *_: SimpleNamespace(name="", identity=""))
    patch.setattr(artifact, "judge_and_report", lambda _network, manifest, *_: manifest)


@pytest.fixture
def train_without_export(monkeypatch: pytest.MonkeyPatch) -> Train:
    """Run train.py without the export to ONNX, which other tests have and which takes seconds."""
    _leave_out_the_export(monkeypatch)

    def run_in(folder: Path, *arguments: object) -> int:
        folders = ("--model-dir", folder / "model", "--output-dir", folder / "output")
        return train.main([str(argument) for argument in (*folders, *arguments)])

    return run_in


@pytest.fixture
def save_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MIN_SECONDS_BETWEEN_CHECKPOINTS", 0.0)
    monkeypatch.setattr(run, "MAX_SHARE_FOR_CHECKPOINTS", float("inf"))


def metrics(printed: str) -> list[str]:
    """Return the lines of metrics, without their seconds."""
    lines = re.findall(r"^(?:epoch|best_epoch)=.*$", printed, re.MULTILINE)
    return [line.partition(" seconds=")[0] for line in lines]


def weights_of(folder: Path) -> StateDict:
    return read_state_dict(folder / "output" / "weights.pt")


@pytest.fixture(scope="module")
def uninterrupted(
    image_folder: Path,
    small_weights_file: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[str, str]:
    """The digest of the weights of a run that nothing interrupts, and its lines of metrics."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    with pytest.MonkeyPatch.context() as patch, pytest.MonkeyPatch.context() as output:
        _leave_out_the_export(patch)
        lines: list[str] = []
        output.setattr("builtins.print", lambda *texts, **_: lines.append(" ".join(texts)))
        arguments = (*DROPOUT, "--data", image_folder, "--weights-file", small_weights_file)
        folders = ("--model-dir", folder / "model", "--output-dir", folder / "output")
        assert train.main([str(argument) for argument in (*arguments, *folders)]) == 0
    return digest(weights_of(folder)), "\n".join(metrics("\n".join(lines)))


def _kill_at_step(patch: pytest.MonkeyPatch, step: int) -> None:
    """End the run in the middle of a step: after the weights changed, before anything is saved."""
    former, taken = torch.optim.AdamW.step, 0

    def step_once(self: Any, *arguments: Any) -> Any:
        nonlocal taken
        taken += 1
        result = former(self, *arguments)
        if taken == step:
            raise KilledError
        return result

    # The scheduler wraps the method of the class's instances; this is below.
    patch.setattr(torch.optim.AdamW, "step", step_once)


def _kill_while_saving(patch: pytest.MonkeyPatch, number: int) -> None:
    """End the run when half of a checkpoint is written."""
    former, saved = torch.save, 0

    def save(content: Any, file: Any) -> None:
        nonlocal saved
        saved += 1
        if saved == number:
            file.write(b"half of a checkpoint")
            raise KilledError
        former(content, file)

    patch.setattr(torch, "save", save)


def _kill_while_judging(patch: pytest.MonkeyPatch, number: int) -> None:
    judged = 0

    def evaluate(*arguments: Any) -> Evaluation:
        nonlocal judged
        judged += 1
        if judged == number:
            raise KilledError
        return loop.evaluate(*arguments)

    patch.setattr(run, "evaluate", evaluate)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.usefixtures("save_each_step")
def test_a_run_killed_at_three_random_points_gives_what_the_others_give(
    seed: int,
    image_folder: Path,
    small_weights_file: Path,
    uninterrupted: tuple[str, str],
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = (*DROPOUT, "--data", image_folder, "--weights-file", small_weights_file)
    chance = random.Random(seed)  # noqa: S311 - a place in a test
    kills: list[Callable[[pytest.MonkeyPatch], None]] = [
        lambda patch: _kill_at_step(patch, chance.randint(2, 4)),
        lambda patch: _kill_while_saving(patch, chance.randint(1, 3)),
        lambda patch: _kill_while_judging(patch, 1),
    ]
    chance.shuffle(kills)
    printed = ""
    for kill in kills:
        with pytest.MonkeyPatch.context() as patch:
            kill(patch)
            with pytest.raises(KilledError):
                train_without_export(tmp_path, *arguments)
        # What other programs do with their generators meanwhile changes nothing.
        torch.manual_seed(chance.randint(0, 99))
        printed += capsys.readouterr().out
    assert train_without_export(tmp_path, *arguments) == 0
    last = capsys.readouterr().out
    assert "Resumed in epoch" in last
    assert digest(weights_of(tmp_path)) == uninterrupted[0]
    # The lines of an epoch that was judged twice are equal, too.
    found = list(dict.fromkeys(metrics(printed + last)))
    assert "\n".join(found) == uninterrupted[1]
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == ["dataset.jsonl", "weights.pt"]


def test_ctrl_c_keeps_the_state_and_says_how_to_go_on(
    image_folder: Path,
    small_weights_file: Path,
    uninterrupted: tuple[str, str],
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The first part runs in a process of its own, with another one that decodes."""
    arguments = (*DROPOUT, "--data", image_folder, "--weights-file", small_weights_file)
    folders = ("--model-dir", tmp_path / "model", "--output-dir", tmp_path / "output")
    command = [sys.executable, MODEL_CODE / "train.py", *arguments, *folders]
    process = subprocess.Popen(
        [*map(str, command), "--data-workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout
    printed = ""
    for line in process.stdout:
        printed += line
        if line.startswith("epoch=1"):
            break
    # To every process of the session, as a terminal does.
    os.killpg(process.pid, signal.SIGINT)
    rest, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    path = tmp_path / "output" / "checkpoint.pt"
    assert f"The same command goes on from {path}" in rest
    # By one process of the two.
    assert rest.count("Interrupted: saving the state") == 1
    assert train_without_export(tmp_path, *arguments) == 0
    resumed = capsys.readouterr().out
    assert digest(weights_of(tmp_path)) == uninterrupted[0]
    assert "\n".join(metrics(printed + rest + resumed)) == uninterrupted[1]


@pytest.mark.usefixtures("save_each_step")
def test_a_checkpoint_of_another_run_is_refused_until_told_to_restart(
    image_folder: Path,
    small_weights_file: Path,
    uninterrupted: tuple[str, str],
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    arguments = (*DROPOUT, "--data", data, "--weights-file", small_weights_file)
    with pytest.MonkeyPatch.context() as patch:
        _kill_at_step(patch, 2)
        with pytest.raises(KilledError):
            train_without_export(tmp_path, *arguments)

    def refusal(*others: object) -> str:
        assert train_without_export(tmp_path, *arguments, *others) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert "--restart" in error
        return error

    assert "--learning-rate was 0.0001, now 0.001" in refusal("--learning-rate", 1e-3)
    error = refusal("--patience", 0, "--seed", 9)
    assert "--patience was 3, now 0; --seed was 3, now 9" in error
    image = data / "train" / "dark" / "0.png"
    content = image.read_bytes()
    shutil.copy(data / "train" / "light" / "0.png", image)
    assert "the digest of the images was " in refusal()
    image.write_bytes(content)
    path = tmp_path / "output" / "checkpoint.pt"
    whole, hostile = path.read_bytes(), _hostile_pickle(tmp_path)
    for damaged in (whole[:-300], b"", hostile, *_with_a_flipped_byte(whole)):
        path.write_bytes(damaged)
        assert f"{path} is damaged or no checkpoint" in refusal()
    path.write_bytes(hostile + hashlib.sha256(hostile).digest())
    assert f"{path} cannot be read by this version" in refusal()
    assert not (tmp_path / "ran").exists()
    assert train_without_export(tmp_path, *arguments, "--restart") == 0
    assert digest(weights_of(tmp_path)) == uninterrupted[0]


def _with_a_flipped_byte(content: bytes) -> Iterator[bytes]:
    """Yield copies that differ in one byte: within the names, the weights, and at the end."""
    for place in (99, len(content) // 3, len(content) // 2, len(content) - 1):
        changed = bytearray(content)
        changed[place] ^= 1
        yield bytes(changed)


def _hostile_pickle(folder: Path) -> bytes:
    class Hostile:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (folder / "ran",)

    torch.save({"format": 1, "run": Hostile()}, folder / "hostile.pt")
    return (folder / "hostile.pt").read_bytes()


def test_the_state_is_saved_as_soon_as_the_head_is_fitted(
    image_folder: Path,
    small_weights_file: Path,
    uninterrupted: tuple[str, str],
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = (*DROPOUT, "--data", image_folder, "--weights-file", small_weights_file)
    with pytest.MonkeyPatch.context() as patch:
        _kill_at_step(patch, 1)
        with pytest.raises(KilledError):
            train_without_export(tmp_path, *arguments)
    assert "Fitting the head first" in capsys.readouterr().out
    # What a process leaves that is killed while it saves.
    (tmp_path / "output" / "checkpoint.pt.writing").write_bytes(b"half of a checkpoint")
    assert train_without_export(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    assert "Resumed in epoch 1 after 0 of 3 steps" in printed
    assert "Fitting the head first" not in printed
    assert digest(weights_of(tmp_path)) == uninterrupted[0]
    names = sorted(path.name for path in (tmp_path / "output").iterdir())
    assert names == ["dataset.jsonl", "weights.pt"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no such device")
@pytest.mark.parametrize("name", ["checkpoint.pt", "weights.pt"])
def test_a_full_disk_is_told_and_keeps_what_was_there(
    name: str,
    image_folder: Path,
    small_weights_file: Path,
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "output"
    output.mkdir()
    (output / name).write_bytes(b"of an earlier run")
    # The system's device that is always full.
    (output / f"{name}.writing").symlink_to("/dev/full")
    arguments = (*DROPOUT, "--epochs", 1, "--data", image_folder, "--weights-file",
                 small_weights_file)  # fmt: skip
    if name == "checkpoint.pt":
        (output / name).unlink()
    assert train_without_export(tmp_path, *arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"train.py: {output / name} cannot be written: ")
    assert "free some space" in error
    assert error.count("\n") == 1
    assert not (output / f"{name}.writing").is_symlink()
    if name == "weights.pt":
        assert (output / name).read_bytes() == b"of an earlier run"
        assert (output / "checkpoint.pt").exists()


class ScriptedEvaluations:
    """In place of `evaluate`: notes the weights that it is given, and returns what it is told."""

    def __init__(self, accuracies: Sequence[float]) -> None:
        self._accuracies = iter(accuracies)
        self.weights: list[StateDict] = []

    def __call__(self, network: torch.nn.Module, *_: object) -> Evaluation:
        weights = network.state_dict()
        self.weights.append({name: tensor.clone() for name, tensor in weights.items()})
        return Evaluation(loss=0.5, accuracy=next(self._accuracies), top_5_accuracy=1.0)


def test_the_best_epoch_is_kept_and_the_run_ends_when_no_better_one_comes(
    image_folder: Path,
    normalised_weights: Path,
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The start is judged too. The third epoch is as good as the first, which stays the best.
    scripted = ScriptedEvaluations([0.5, 0.75, 0.5, 0.75, 1.0])
    monkeypatch.setattr(run, "evaluate", scripted)
    arguments = ("--data", image_folder, "--weights-file", normalised_weights, *SMALL,
                 "--architecture", ARCHITECTURE, "--epochs", 9, "--patience", 2)  # fmt: skip
    assert train_without_export(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    assert "No better epoch in 2 (--patience)" in printed
    assert "best_epoch=1 valid_loss=0.5000 valid_accuracy=0.7500" in printed
    assert len(scripted.weights) == 4
    assert digest(weights_of(tmp_path)) == digest(scripted.weights[1])
    _check_stages(scripted.weights, read_state_dict(normalised_weights))


def _check_stages(weights: Sequence[StateDict], published: StateDict) -> None:
    """Check the start, with the head fitted, and the first epochs, in which all is trained."""
    head = set(head_names(ARCHITECTURE, 32))
    normalisation = {
        name.rpartition(".")[0] + end
        for name in published
        if name.endswith("running_mean")
        for end in (".weight", ".bias", ".running_mean", ".running_var", ".num_batches_tracked")
    }
    assert len(normalisation) > 100
    backbone = published.keys() - head
    assert all(torch.equal(weights[0][name], published[name]) for name in backbone)
    for name in backbone:
        is_frozen = torch.equal(weights[2][name], published[name])
        assert is_frozen == (name in normalisation), name
    # The first steps of AdamW are as long as the learning rate, nearly.
    changes = {name: float((weights[1][name] - weights[0][name]).abs().max()) for name in backbone}
    head_change = max(float((weights[1][n] - weights[0][n]).abs().max()) for n in head)
    assert head_change / max(changes.values()) == pytest.approx(10, rel=0.5)


def test_the_head_is_fitted_first(
    image_folder: Path,
    normalised_weights: Path,
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ("--data", image_folder, "--weights-file", normalised_weights, *SMALL,
                 "--architecture", ARCHITECTURE, "--epochs", 1)  # fmt: skip
    assert train_without_export(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    # Before any other layer is trained: dark and light images differ in every feature.
    assert re.search(r"^epoch=0 .*valid_accuracy=1.0000", printed, re.MULTILINE), printed


def test_from_random_weights_every_layer_is_trained_and_the_last_epoch_taken(
    image_folder: Path,
    train_without_export: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    # Thirteen images in batches of four: the last one alone has one value a channel, which batch
    # normalisation refuses.
    shutil.copy(data / "test" / "dark" / "0.png", data / "train" / "dark" / "one more.png")
    scripted = ScriptedEvaluations([1.0, 0.5, 0.5, 0.25])
    monkeypatch.setattr(run, "evaluate", scripted)
    arguments = ("--data", data, "--from-scratch", *SMALL, "--batch-size", 4,
                 "--architecture", ARCHITECTURE, "--epochs", 4)  # fmt: skip
    assert train_without_export(tmp_path, *arguments) == 0
    assert len(scripted.weights) == 4
    assert digest(weights_of(tmp_path)) == digest(scripted.weights[3])
    first, last = scripted.weights[0], scripted.weights[3]
    assert not any(torch.equal(first[name], last[name]) for name in first)


def test_batches_of_one_image_are_refused_where_they_cannot_be_trained_on(
    image_folder: Path, train_without_export: Train, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    arguments = ("--data", image_folder, "--from-scratch", *SMALL, "--batch-size", 1)
    assert train_without_export(tmp_path, *arguments, "--architecture", ARCHITECTURE) == 1
    assert "give --batch-size 2 or more" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("image_count", "batch_size", "sizes"),
    [(12, 5, [5, 5, 2]), (13, 4, [4, 4, 5]), (8, 4, [4, 4]), (3, 1, [1, 1, 1]), (1, 4, [1])],
)
def test_every_image_is_drawn_once_an_epoch_and_never_alone(
    image_count: int, batch_size: int, sizes: list[int]
) -> None:
    order = BatchOrder(image_count, batch_size, seed=5)
    epochs = []
    for epoch in range(2):
        order.go_to(epoch, 0)
        drawn = list(order)
        assert [len(batch) for batch in drawn] == sizes
        assert len(order) == len(sizes)
        assert sorted(draw.place for batch in drawn for draw in batch) == list(range(image_count))
        epochs.append(drawn)
        order.go_to(epoch, len(sizes) - 1)
        assert list(order) == drawn[-1:]
    assert epochs[0] != epochs[1]


def _as_people_have_it(image_folder: Path, folder: Path) -> Path:
    """Three classes without splits, one with a name that is no ASCII, and a broken image."""
    for place, label in enumerate(("Größe 42", "dark", "日本")):
        (folder / label).mkdir(parents=True)
        for number in range(6 + place):
            split, source = ("train", "valid", "test")[place], "dark" if number % 2 else "light"
            shutil.copy(image_folder / split / source / f"{number // 2}.png",
                        folder / label / f"{number}.bin")  # fmt: skip
    broken = folder / "dark" / "2.bin"
    broken.write_bytes(broken.read_bytes()[:150])
    return folder


@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_a_folder_or_zip_without_splits_is_split(
    kind: str,
    image_folder: Path,
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = _as_people_have_it(image_folder, tmp_path / "my photos")
    mark_as_demo(data)
    if kind == "zip":
        archive = tmp_path / "my photos.zip"
        with zipfile.ZipFile(archive, "w") as file:
            for path in sorted(data.rglob("*.*")):
                # As macOS writes names.
                name = unicodedata.normalize("NFD", str(path.relative_to(data.parent)))
                file.write(path, name)
        data = archive
    described = []

    def write_artifact(_: object, description: Any, __: object) -> Any:
        described.append(description)
        return SimpleNamespace(name="", identity="")

    monkeypatch.setattr(artifact, "write_artifact", write_artifact)
    arguments = (*SMALL, "--data", data, "--cache-dir", tmp_path / "cache", "--from-scratch",
                 "--architecture", "squeezenet1_1", "--epochs", 1)  # fmt: skip
    assert train_without_export(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    assert "3 classes, images: 14 train, 3 valid, 3 test" in printed
    assert "dark/2.bin: The PNG image is cut off" in printed
    assert described[0].labels == ("Größe 42", "dark", "日本")
    assert described[0].training_data["demo"] is True


def test_what_cannot_be_used_is_left_out_and_a_test_is_drawn(
    image_folder: Path,
    train_without_export: Train,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Folders of splits are read as any other: system files, Unicode, and damage in every split."""
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    shutil.rmtree(data / "test")
    composed, decomposed = (
        "gr\N{LATIN SMALL LETTER O WITH DIAERESIS}ßer",
        "gro\N{COMBINING DIAERESIS}ßer",
    )
    for split, name in (("train", composed), ("valid", decomposed)):
        (data / split / "light").rename(data / split / name)
        broken = data / split / "dark" / "0.png"
        broken.write_bytes(broken.read_bytes()[:150])
        (data / split / ".ipynb_checkpoints").mkdir()
    (data / "train" / "__MACOSX" / "dark").mkdir(parents=True)
    (data / "train" / "dark" / "notes.txt").write_text("mine")
    (data / "notes").mkdir()
    arguments = ("--data", data, "--from-scratch", *SMALL, "--architecture", "squeezenet1_1",
                 "--epochs", 1)  # fmt: skip
    assert train_without_export(tmp_path, *arguments) == 0
    printed = capsys.readouterr().out
    assert "2 classes, images: 9 train, 11 valid, 2 test" in printed
    for split in ("train", "valid"):
        assert f"{split}/dark/0.png: The PNG image is cut off" in printed
    assert "train/dark/notes.txt: The data is no JPEG, PNG or WebP image" in printed
    assert "notes: a folder beside those of the splits" in printed
    assert "Files that are left out: 4" in printed
    labels = re.findall(r'"label": "([^"]*)"', (tmp_path / "output/dataset.jsonl").read_text())
    assert set(labels) == {"dark", r"gr\u00f6\u00dfer"}


def test_copies_of_training_images_do_not_judge_the_model(
    image_folder: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(image_folder, tmp_path / "data"))
    shutil.copy(data / "train" / "dark" / "0.png", data / "test" / "dark" / "copy.png")
    shutil.copy(data / "valid" / "light" / "1.png", data / "test" / "light" / "copy.png")
    dataset = find_dataset(parse_options(["--data", str(data)], {}, None))
    assert dataset.counts == {"train": 11, "valid": 11, "test": 14}
    copies = [f"a copy of test/{label}/copy.png" for label in ("dark", "light")]
    assert [file.reason for file in dataset.left_out] == copies


def test_training_does_not_wait_for_the_loss_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU each such wait would let it run empty."""
    network = torch.nn.Linear(3, 2)
    optimisation = make_optimisation(
        network, ["bias"], learning_rate=0.1, backbone_learning_rate=0.1, weight_decay=0.0,
        step_count=4,
    )  # fmt: skip
    losses: list[torch.Tensor] = []
    labelled: Any = [(torch.ones(2, 3, 1, 1), torch.tensor([0, 1]))] * 3
    monkeypatch.setattr(torch.Tensor, "item", lambda _: pytest.fail("a step waited"))
    model = torch.nn.Sequential(torch.nn.Flatten(), network)
    train_steps(model, labelled, optimisation, CPU, lambda loss, _: losses.append(loss))
    assert len(losses) == 3


def test_a_gpu_copies_from_pinned_memory() -> None:
    images = LabelledImages([], [], lambda _: torch.zeros(1))
    for name, is_pinned in (("cuda", True), ("cpu", False)):
        loader = make_batches(images, BatchOrder(2, 2, 1), 0, torch.device(name))
        assert loader.pin_memory is is_pinned


@pytest.mark.parametrize(
    ("wanted", "device", "cores", "free_mib", "count"),
    [
        (None, "cpu", 8, 4000, 0),
        (None, "cuda", 6, 4000, 6),
        (16, "cuda", 4, 4000, 4),
        # 33 images of 224 px, three batches of them: 57 MiB a process, of half of what is free.
        (8, "cuda", 8, 64, 0),
        (8, "cpu", 8, 300, 2),
        (3, "cpu", 8, 4000, 3),
    ],
)
def test_the_processes_that_decode_fit_the_machine(
    wanted: int | None, device: str, cores: int, free_mib: int, count: int,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(batches, "core_count", lambda: cores)
    usage = SimpleNamespace(free=free_mib * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = fitting_process_count(wanted, batch_size=32, crop=224, device=torch.device(device))
    assert found == count
    printed = capsys.readouterr().out
    assert (f"{count} processes decode images instead of {wanted}" in printed) == (
        wanted is not None and count < wanted
    )


def test_a_job_keeps_its_checkpoint_where_sagemaker_copies_it_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flags = ["--data", "x", "--output-dir", "out put"]
    assert parse_options(flags, {}, None).checkpoint_dir == Path("out put")
    monkeypatch.setattr(environment, "CHECKPOINTS", tmp_path)
    assert parse_options(flags, {}, None).checkpoint_dir == tmp_path
    given = [*flags, "--checkpoint-dir", "here"]
    assert parse_options(given, {}, None).checkpoint_dir == Path("here")


def test_a_signal_in_the_middle_of_a_print_is_noted(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    class Busy(io.StringIO):
        """As the standard output is while another print writes to it."""

        def write(self, text: str) -> int:
            raise RuntimeError(f"reentrant call with {text!r}")

    with Interruption() as interruption:
        monkeypatch.setattr(sys, "stdout", Busy())
        signal.raise_signal(signal.SIGTERM)
        assert interruption.requested
    assert "Interrupted: saving the state" in capfd.readouterr().out
