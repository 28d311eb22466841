import hashlib
import tomllib
from pathlib import Path

import pytest

from stacks.components.serving.model_choice import choose_model
from stacks.components.serving.model_lock import ModelLock, read_lock
from stacks.errors import InputError
from tests.stacks.fake_inputs import write_model
from tests.stacks.locks import write_lock


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return tmp_path / "a clone"


def locked(repository: Path, stage: str = "prod", /, **changes: object) -> Path:
    """Lock a stage to the model in build/promoted; return that folder."""
    model = write_model(repository / "build" / "promoted", name="flowers", labels=["a", "b"])
    write_lock(repository, stage, model, **changes)
    return model


def refused(repository: Path, stage: str = "prod", folder: Path | None = None) -> str:
    with pytest.raises(InputError) as raised:
        choose_model(repository, stage, folder)
    return str(raised.value)


def test_a_lock_needs_no_artifact(repository: Path) -> None:
    folder = locked(repository)
    sha256 = hashlib.sha256((folder / "model.tar.gz").read_bytes()).hexdigest()
    for path in (*folder.iterdir(), folder):
        path.rmdir() if path.is_dir() else path.unlink()
    model = choose_model(repository, "prod", None)
    assert (model.name, model.labels, model.sha256) == ("flowers", ("a", "b"), sha256)
    assert model.archive is None
    assert model.lock is not None
    assert model.lock.key == f"serving/{sha256}/model.tar.gz"


def test_a_stage_without_a_lock_takes_the_folder(repository: Path) -> None:
    locked(repository)
    built = write_model(repository / "build" / "model", name="built")
    assert choose_model(repository, "dev", None).name == "built"
    assert choose_model(repository, "prod", None).name == "flowers", "whatever is in build/model"
    other = write_model(repository / "other", name="other")
    assert choose_model(repository, "dev", other).archive == other / "model.tar.gz"
    assert built.is_dir()


def test_a_named_folder_must_be_the_locks(repository: Path) -> None:
    folder = locked(repository)
    assert choose_model(repository, "prod", folder).name == "flowers"
    other = write_model(repository / "other", name="other")
    message = refused(repository, folder=other)
    version = hashlib.sha256((other / "model.tar.gz").read_bytes()).hexdigest()[:12]
    assert f"{other} holds other {version}" in message
    assert "config/models/prod.toml names flowers" in message
    assert "`make promote STAGE=prod MODEL=<folder>`" in message


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sha256": "A" * 64}, "sha256 = 'AAAA"),
        ({"sha256": "0" * 64}, "expected 'serving/" + "0" * 64 + "/model.tar.gz'"),
        ({"key": "serving/x/model.tar.gz"}, "key = 'serving/x/model.tar.gz': expected 'serving/"),
        ({"name": "a b"}, "name = 'a b': expected up to 63 letters"),
        ({"source_uri": "https://x/y"}, "expected an address that begins with s3://"),
        ({"model_package_arn": "none"}, "expected the ARN of a model package"),
        ({"manifest_sha256": "0" * 64}, "take both files from the same commit"),
        ({"bucket": "b"}, "bucket is not a setting"),
        ({"name": "other"}, "describes the model flowers, expected other"),
    ],
)
def test_a_wrong_lock_says_what_was_expected(
    repository: Path, changes: dict[str, object], reason: str
) -> None:
    locked(repository, **changes)
    assert reason in refused(repository)


def test_a_lock_that_is_half_there(repository: Path) -> None:
    locked(repository)
    (repository / "config" / "models" / "prod.manifest.json").unlink()
    message = refused(repository)
    assert "prod.manifest.json cannot be read (No such file or directory)" in message
    assert "`make promote STAGE=prod` writes them anew" in message
    (repository / "config" / "models" / "prod.toml").write_text("<<<<<<< HEAD\n")
    assert "models/prod.toml is not valid TOML" in refused(repository)


def test_the_stage_local_takes_the_artifact_from_the_store(repository: Path) -> None:
    folder = locked(repository, "local")
    lock = read_lock(repository / "config" / "models", "local")
    assert lock is not None
    store = repository / "build" / "store" / lock.sha256
    assert f"which is not in {store} on this machine" in refused(repository, "local")
    store.parent.mkdir(parents=True)
    folder.rename(store)
    model = choose_model(repository, "local", None)
    assert (model.name, model.archive) == ("flowers", store / "model.tar.gz")
    write_model(store, name="replaced")
    assert f"expected {lock.version} as config/models/local.toml states" in refused(
        repository, "local"
    )


def test_the_source_is_a_bucket_and_a_key(repository: Path) -> None:
    locked(repository, source_uri="s3://a-bucket/some/where/model.tar.gz")
    table = tomllib.loads((repository / "config" / "models" / "prod.toml").read_text())
    lock = ModelLock.model_validate(table)
    assert (lock.source_bucket, lock.source_key) == ("a-bucket", "some/where/model.tar.gz")
