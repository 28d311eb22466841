"""The network in eager mode, as torch-model-archiver needs it: one class in a file."""

from torchvision.models import mobilenetv2


class Network(mobilenetv2.MobileNetV2):
    """MobileNetV2."""
