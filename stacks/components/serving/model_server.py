"""The environment variables of the model server's container."""

from collections.abc import Collection

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.errors import SettingsError
from stacks.settings import instance_types
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings

_INT8_NETWORK = "model.int8.onnx"
_MAX_BODY_BYTES = 10 * 1024 * 1024  # the server's own default


def served_precision(serving: ServingSettings, files: Collection[str]) -> str:
    """Return the precision that a container of these settings serves in, fp32 or int8.

    Args:
        serving: the settings.
        files: the names of the files in the model's archive.
    """
    if serving.precision != "auto":
        return serving.precision
    has_gpu = instance_types.has_gpu(serving.instance_type)
    return "int8" if _INT8_NETWORK in files and not has_gpu else "fp32"


def model_server_environment(settings: StageSettings, model: ModelArtifact) -> dict[str, str]:
    """Return the container's environment variables, which docs/serving.md describes.

    Raises:
        SettingsError: `serving.precision` is int8 but the model has no int8 network.
    """
    serving = settings.serving
    if serving.precision == "int8" and _INT8_NETWORK not in model.files:
        raise SettingsError(
            f"config/{settings.stage}.toml: serving.precision = 'int8': the model {model.name} "
            f"{model.version} has no {_INT8_NETWORK}. Build it again with "
            "`model_code/build.py --quantize`, or set precision to auto or fp32"
        )
    environment = {
        # Not in the archive: the version is derived from the archive's hash.
        "WHIPPET_MODEL_VERSION": model.version,
        "WHIPPET_DECODE": serving.decode,
        "WHIPPET_DEADLINE_MS": str(settings.model_server_deadline_ms),
    }
    if settings.api.uploads_enabled:
        environment["WHIPPET_MAX_BODY_BYTES"] = str(
            max(_MAX_BODY_BYTES, settings.api.max_upload_bytes)
        )
    if not instance_types.has_gpu(serving.instance_type):
        return {
            **environment,
            "WHIPPET_ENGINE": "openvino",
            "WHIPPET_PRECISION": serving.precision,
        }
    return {
        **environment,
        "WHIPPET_ENGINE": "onnxruntime-cuda",
        "WHIPPET_PRECISION": "fp32",  # what `auto` means on a GPU; int8 is rejected
        "WHIPPET_MAX_BATCH": str(serving.max_batch),
        "WHIPPET_MAX_BATCH_DELAY_MS": str(serving.max_batch_delay_ms),
    }
