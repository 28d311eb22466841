"""The environment variables of the model server's container."""

from collections.abc import Collection

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.errors import SettingsError
from stacks.settings import instance_types
from stacks.settings.serving import ServingSettings
from stacks.settings.stage import StageSettings

_MAX_BODY_BYTES = 10 * 1024 * 1024  # the server's own default
_NETWORKS = {
    "int8": ("model.int8.onnx", "--quantize"),
    "fp16": ("model.fp16.onnx", "--half-precision"),
}


def served_precision(serving: ServingSettings, files: Collection[str]) -> str:
    """Return the precision that a container of these settings serves in: fp32, bf16, fp16 or int8.

    Args:
        serving: the settings.
        files: the names of the files in the model's archive.
    """
    if serving.precision != "auto":
        return serving.precision
    fastest = "fp16" if instance_types.has_gpu(serving.instance_type) else "int8"
    network, _ = _NETWORKS[fastest]
    return fastest if network in files else "fp32"


def model_server_environment(settings: StageSettings, model: ModelArtifact) -> dict[str, str]:
    """Return the container's environment variables, which docs/serving.md describes.

    Raises:
        SettingsError: the model cannot be served in `serving.precision`.
    """
    serving = settings.serving
    network, flag = _NETWORKS.get(serving.precision, (None, None))
    if network and network not in model.files:
        raise SettingsError(
            f"config/{settings.stage}.toml: serving.precision = {serving.precision!r}: the model "
            f"{model.name} {model.version} has no {network}. Build it again with "
            f"`model_code/build.py {flag}`, or set precision to auto or fp32"
        )
    if serving.precision == "bf16" and not model.allows_bf16:
        raise SettingsError(
            f"config/{settings.stage}.toml: serving.precision = 'bf16': the manifest of the model "
            f"{model.name} {model.version} does not allow bf16. Build it again with "
            "`model_code/build.py --bf16 --calibration DIR`, which allows it if the predictions "
            "are as good as those of fp32, or set precision to auto or fp32"
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
        # The server's own `auto` is that of a CPU; int8 is rejected.
        "WHIPPET_PRECISION": served_precision(serving, model.files),
        "WHIPPET_MAX_BATCH": str(serving.max_batch),
        "WHIPPET_MAX_BATCH_DELAY_MS": str(serving.max_batch_delay_ms),
    }
