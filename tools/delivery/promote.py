"""`make promote STAGE=...`: write which model a stage serves, to be reviewed and committed.

The model is the newest approved package of the stage, or of SOURCE_STAGE; without registered
models the one in build/model. The artifact goes where the deployment of the stage finds it: to the
stage's own bucket of models, or, where something else than a laptop deploys the stage, to the
bucket of SOURCE_STAGE.
"""

import shutil
from pathlib import Path

from classifier.artifact.directory import MANIFEST_FILE
from classifier.artifact.packing import ARCHIVE_FILE, SHA256_FILE
from classifier.artifact.samples import SAMPLE_FOLDER
from stacks.components.serving.model_artifact import ModelArtifact
from stacks.components.serving.model_choice import STORE_FOLDER
from stacks.components.serving.model_lock import served_key
from stacks.names import LOCKS_FOLDER
from stacks.settings.stage import StageSettings
from tools.account.account import read_stage
from tools.cdk import ROOT
from tools.console import ToolError, run_tool, step
from tools.delivery.artifacts import models_bucket, upload
from tools.delivery.clients import stage_clients
from tools.delivery.lock_file import files_of, write_lock
from tools.delivery.lock_summary import read_summary
from tools.delivery.promoted_model import chosen_model
from tools.local.deployment import add_deployment
from tools.make_variables import MakeParser
from tools.model.folder import read_folder, refuse_demo
from tools.stage_access import LOCAL

_VARIABLES = {
    "--stage": "STAGE",
    "--model": "MODEL",
    "--source-stage": "SOURCE_STAGE",
    "--version": "VERSION",
}


def main() -> None:
    """Store the artifact and write the lock; deploy nothing."""
    parser = _parser()
    arguments = parser.parse()
    if arguments.model is not None and arguments.version:
        parser.error("argument --version: names a package, and --model a folder; expected one")
    settings = read_stage(arguments.stage)
    source = settings
    if settings.stage != LOCAL:
        source = _source_stage(settings, arguments.source_stage)
        if arguments.model is not None:
            _refuse_unregistered(settings, source)
    with chosen_model(source, arguments.model, arguments.version, arguments.deployment) as chosen:
        folder, package_arn = chosen
        model = read_folder(folder)
        refuse_demo(model, settings)
        source_uri = (
            _store(folder, model) if settings.stage == LOCAL else _upload(source, folder, model)
        )
        files = files_of(settings.stage)
        old = read_summary(files)
        write_lock(
            settings.stage, folder, model, source_uri=source_uri, model_package_arn=package_arn
        )
    print(f"Model before: {old or 'no lock'}")
    print(f"Model now:    {read_summary(files)}")
    print(_next_steps(settings))


def _parser() -> MakeParser:
    parser = MakeParser(
        variables=_VARIABLES, prog="python -m tools.delivery.promote", description=__doc__
    )
    parser.add_argument("--stage", required=True, help="names config/<stage>.toml")
    parser.add_argument(
        "--model",
        type=Path,
        help="folder of the artifact, instead of a package of the registry (without registered "
        "models: build/model)",
    )
    parser.add_argument(
        "--version", help="number of an approved package (default: the newest approved)"
    )
    add_deployment(parser)
    parser.add_argument(
        "--source-stage",
        help="stage whose bucket gets the artifact; required if no laptop deploys the stage",
    )
    return parser


def _source_stage(settings: StageSettings, named: str | None) -> StageSettings:
    if settings.delivery == "laptop":
        if named not in {None, settings.stage}:
            raise ToolError(
                f"SOURCE_STAGE={named}: the stage {settings.stage} is deployed from a laptop, its "
                "artifacts go to its own bucket. Leave SOURCE_STAGE out."
            )
        return settings
    if not named:
        raise ToolError(
            f'The stage {settings.stage} has delivery = "{settings.delivery}": add SOURCE_STAGE=, '
            "the stage whose bucket of models gets the artifact, such as SOURCE_STAGE=dev."
        )
    if named == LOCAL:
        raise ToolError("SOURCE_STAGE=local: expected a stage in an account, such as dev.")
    return read_stage(named)


def _refuse_unregistered(settings: StageSettings, source: StageSettings) -> None:
    """Reject a folder for a protected stage once the registry has models."""
    if not settings.termination_protection:
        return
    sagemaker = stage_clients(source)("sagemaker")
    packages = sagemaker.list_model_packages(ModelPackageGroupName=source.name, MaxResults=1)[
        "ModelPackageSummaryList"
    ]
    if packages:
        raise ToolError(
            f"MODEL=: the stage {settings.stage} is protected and {source.name} has registered "
            "models: promote one of those, without MODEL=."
        )


def _store(source: Path, model: ModelArtifact) -> str:
    """Copy the artifact with its samples into the store of this machine; return its address."""
    folder = ROOT / STORE_FOLDER / model.sha256
    partial = folder.with_name(f".{model.sha256}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for name in (ARCHIVE_FILE, SHA256_FILE, MANIFEST_FILE):
        shutil.copy2(source / name, partial / name)
    if model.samples:
        shutil.copytree(source / SAMPLE_FOLDER, partial / SAMPLE_FOLDER)
    shutil.rmtree(folder, ignore_errors=True)
    partial.replace(folder)
    return (STORE_FOLDER / model.sha256 / ARCHIVE_FILE).as_posix()


def _upload(source: StageSettings, folder: Path, model: ModelArtifact) -> str:
    client = stage_clients(source)
    bucket = models_bucket(client("cloudformation"), source.name)
    if bucket is None:
        raise ToolError(
            f"The stage {source.stage} has no bucket of models yet: run `make bootstrap "
            f"STAGE={source.stage}`, then `make deploy STAGE={source.stage} ONLY=storage`."
        )
    key = served_key(model.sha256)
    with step(f"Store {model.name} {model.version} in s3://{bucket}/{key}"):
        upload(client("s3"), folder / ARCHIVE_FILE, bucket, key, sha256=model.sha256)
    return f"s3://{bucket}/{key}"


def _next_steps(settings: StageSettings) -> str:
    then = {
        "laptop": f"make deploy STAGE={settings.stage}",
        "pipeline": "git push",
        "github": "git push",
    }[settings.delivery]
    if settings.stage == LOCAL:
        return (
            "Deploy it with `make up`. From now on `make up` deploys this model, whatever is in "
            f"build/model, until you delete {LOCKS_FOLDER}/local.*"
        )
    files = f"{LOCKS_FOLDER}/{settings.stage}.*"
    return (
        f"Commit it, then deploy:\n  git add {files}\n"
        f'  git commit -m "Serve another model in {settings.stage}"\n  {then}'
    )


if __name__ == "__main__":
    run_tool(main)
