"""The network in eager mode, as torch-model-archiver needs it: one class in a file."""

from torchvision.models import resnet


class Network(resnet.ResNet):
    """ResNet-50."""

    def __init__(self) -> None:
        """Build it with 1000 classes."""
        super().__init__(resnet.Bottleneck, [3, 4, 6, 3])
