"""How AWS's PyTorch image starts the program of a script-mode job.

Follows github.com/aws/sagemaker-training-toolkit: environment.py, mapping.py, entry_point.py.
"""

import json
import os
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_cloud.environment import endpoint_environment, kept_environment
from local_cloud.sagemaker.jobs.training.folders import HostFolders
from local_cloud.sagemaker.jobs.training.hyperparameters import (
    PROGRAM,
    SUBMIT_DIRECTORY,
    decoded,
    flags,
    user_hyperparameters,
)
from local_cloud.sagemaker.jobs.training.record import TrainingJob
from local_cloud.sagemaker.platform import Platform

# Where this repository's programs keep their byte code: without it, torch takes 15 s to import.
_BYTE_CODE = Path(__file__).parents[4] / "build" / "byte-code"
# Network isolation: clients of HTTP find no way out. Sockets of the program itself still work.
_NO_NETWORK = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}


def command(python: Path, folders: HostFolders, hyperparameters: Mapping[str, Any]) -> list[str]:
    """Return the command of the program, with its full path, which `ps` shows."""
    program = folders.code / str(hyperparameters[PROGRAM])
    # The image joins the words with spaces and has a shell split them: an empty value vanishes, and
    # one with spaces becomes several words.
    return [str(python), str(program), *shlex.split(" ".join(flags(hyperparameters)))]


def environment(
    platform: Platform,
    job: TrainingJob,
    folders: HostFolders,
    *,
    host: str,
    main_port: int,
    credentials: Mapping[str, str],
) -> dict[str, str]:
    """Return the whole environment of the program on one host.

    Args:
        platform: where the AWS APIs are.
        job: the training job.
        folders: those of the host.
        host: its name.
        main_port: a port of 127.0.0.1 for the processes of several hosts to meet.
        credentials: the variables with the role's credentials.
    """
    request = job.request
    given: dict[str, str] = request.get("Environment", {})
    hyperparameters = decoded(request.get("HyperParameters", {}))
    channels = sorted(each["ChannelName"] for each in request.get("InputDataConfig", []))
    values: dict[str, Any] = {
        "HOSTS": job.hosts,
        "CURRENT_HOST": host,
        "MODEL_DIR": folders.model,
        "INPUT_DIR": folders.input,
        "INPUT_CONFIG_DIR": folders.input / "config",
        "OUTPUT_DIR": folders.output,
        "OUTPUT_DATA_DIR": folders.output_data,
        "CHANNELS": channels,
        "NUM_CPUS": max(1, (os.cpu_count() or 1) // len(job.hosts)),
        "NUM_GPUS": 0,
        "HPS": user_hyperparameters(hyperparameters),
        "USER_ARGS": flags(hyperparameters),
        "USER_ENTRY_POINT": hyperparameters[PROGRAM],
        "MODULE_NAME": str(hyperparameters[PROGRAM]).removesuffix(".py"),
        "MODULE_DIR": hyperparameters.get(SUBMIT_DIRECTORY, folders.code),
        "CURRENT_INSTANCE_TYPE": job.instance_type,
        "CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "NETWORK_INTERFACE_NAME": "lo0" if sys.platform == "darwin" else "lo",
        "LOG_LEVEL": hyperparameters.get("sagemaker_container_log_level", 20),
        # Not of AWS: a laptop has no /opt/ml.
        "CHECKPOINT_DIR": folders.checkpoints,
    }
    values |= {f"CHANNEL_{name.upper()}": folders.data / name for name in channels}
    values |= {
        f"HP_{name.upper()}": value for name, value in user_hyperparameters(hyperparameters).items()
    }
    return (
        kept_environment()
        | given
        | {f"SM_{name}": _variable(value) for name, value in values.items()}
        | {
            "TRAINING_JOB_NAME": job.name,
            "TRAINING_JOB_ARN": job.arn,
            "SAGEMAKER_REGION": job.scope.region,
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(main_port),
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": str(folders.code),
            "PYTHONPYCACHEPREFIX": str(_BYTE_CODE),
            "TMPDIR": str(folders.temporary),
        }
        | endpoint_environment(
            url=platform.endpoint_url, certificate=platform.certificate, region=job.scope.region
        )
        | (_NO_NETWORK if request.get("EnableNetworkIsolation") else dict(credentials))
    )


def write_configuration(job: TrainingJob, folders: HostFolders, host: str) -> None:
    """Write the files below /opt/ml/input/config."""
    files: dict[str, Any] = {
        "hyperparameters": job.request.get("HyperParameters", {}),
        "resourceconfig": {
            "current_host": host,
            "hosts": job.hosts,
            "current_instance_type": job.instance_type,
            "current_group_name": "homogeneousCluster",
            "network_interface_name": "lo",
        },
        "inputdataconfig": {
            channel["ChannelName"]: {
                "TrainingInputMode": channel.get("InputMode", "File"),
                "S3DistributionType": _source(channel).get(
                    "S3DataDistributionType", "FullyReplicated"
                ),
                "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            }
            for channel in job.request.get("InputDataConfig", [])
        },
    }
    for name, content in files.items():
        (folders.input / "config" / f"{name}.json").write_text(json.dumps(content))


def _source(channel: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = channel["DataSource"]["S3DataSource"]
    return found


def _variable(value: str | int | Path | Sequence[Any] | Mapping[str, Any] | None) -> str:
    if value is None:
        return ""
    if isinstance(value, (str, Path)):
        return str(value)
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
