"""What the template tells the model server: the environment of its container."""

from stacks.components.serving.model_artifact import ModelArtifact
from stacks.errors import SettingsError
from stacks.settings import instance_types
from stacks.settings.stage import StageSettings

_INT8_NETWORK = "model.int8.onnx"


def model_server_environment(settings: StageSettings, model: ModelArtifact) -> dict[str, str]:
    """Return the container's variables; docs/serving.md says what each does.

    Raises:
        SettingsError: the settings ask for an int8 network and the model has none.
    """
    serving = settings.serving
    if serving.precision == "int8" and _INT8_NETWORK not in model.files:
        raise SettingsError(
            f"config/{settings.stage}.toml: serving.precision = 'int8': the model {model.name} "
            f"{model.version} has no {_INT8_NETWORK}. Build it again with "
            "`model_code/build.py --quantize`, or set precision to auto or fp32"
        )
    environment = {
        # The archive cannot hold its own hash.
        "WHIPPET_MODEL_VERSION": model.version,
        "WHIPPET_DECODE": serving.decode,
    }
    if not instance_types.has_gpu(serving.instance_type):
        return {
            **environment,
            "WHIPPET_ENGINE": "openvino",
            "WHIPPET_PRECISION": serving.precision,
        }
    return {
        **environment,
        "WHIPPET_ENGINE": "onnxruntime-cuda",
        "WHIPPET_PRECISION": "fp32",  # what `auto` means there; int8 is refused
        "WHIPPET_MAX_BATCH": str(serving.max_batch),
        "WHIPPET_MAX_BATCH_DELAY_MS": str(serving.max_batch_delay_ms),
    }
