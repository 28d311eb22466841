"""What the examples need of a stage: its stacks' outputs, and a session of the SDK."""

import argparse
import os
from dataclasses import dataclass
from pathlib import Path

import boto3
from sagemaker.core.helper.session_helper import Session

from tools.local.deployment import read_local_deployment

_CONFIGURATION = Path(__file__).with_name("sagemaker-config.yaml")


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A deployed stage.

    Attributes:
        name: such as whippet-dev.
        session: of the SDK.
        training: outputs of the training stack.
        models_bucket: name of the bucket of models.
    """

    name: str
    session: Session
    training: dict[str, str]
    models_bucket: str

    def script_mode(self) -> dict[str, str]:
        """Return the hyperparameters that let AWS's image run the stage's train.py.

        Not ModelTrainer's `source_code`: that starts a script of the SDK by its path in /opt/ml,
        and a tuning job supports no such start.
        """
        return {
            "sagemaker_program": "train.py",
            "sagemaker_submit_directory": self.training["JobSource"],
            "sagemaker_region": self.session.boto_region_name,
        }

    def channels(self, dataset: str) -> dict[str, str]:
        """Return the S3 address of each channel of a job.

        Args:
            dataset: folder of the bucket of datasets, as `make dataset` printed it.
        """
        bucket = f"s3://{self.training['DatasetsBucket']}"
        found = {split: f"{bucket}/{dataset}/{split}/" for split in ("train", "valid", "test")}
        if "JobWheels" in self.training:
            found["wheels"] = f"{bucket}/{self.training['JobWheels']}"
        return found


def open_stage(name: str) -> Stage:
    """Read a stage's outputs, from the account of your credentials or from the local cloud."""
    os.environ.setdefault("SAGEMAKER_USER_CONFIG_OVERRIDE", str(_CONFIGURATION))
    # Or the SDK refuses a role that has only what a job of this stage needs: it expects the
    # permissions for a job in a network too.
    os.environ.setdefault("SAGEMAKER_VALIDATE_ROLE", "false")
    if name == "local":
        environment = read_local_deployment().environment
        os.environ.update(environment)
        os.environ.setdefault("AWS_DEFAULT_REGION", environment["AWS_REGION"])
    boto_session = boto3.Session()
    cloudformation = boto_session.client("cloudformation")

    def outputs(purpose: str) -> dict[str, str]:
        stack = cloudformation.describe_stacks(StackName=f"whippet-{name}-{purpose}")["Stacks"][0]
        return {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}

    models_bucket = outputs("storage")["ModelsBucketName"]
    return Stage(
        name=f"whippet-{name}",
        # The default bucket of the SDK would be another one in the account.
        session=Session(boto_session=boto_session, default_bucket=models_bucket),
        training=outputs("training"),
        models_bucket=models_bucket,
    )


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the option that all examples have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--stage", default="local", help="a deployed stage (%(default)s)")
    return parser
