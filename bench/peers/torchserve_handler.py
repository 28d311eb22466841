"""TorchServe's image classifier with the transforms that torchvision publishes for the network.

The default resizes to 256 pixels, but these networks were trained with 232.
"""

from torchvision import transforms
from ts.torch_handler.image_classifier import ImageClassifier


class Classifier(ImageClassifier):
    """The default with another size."""

    image_processing = transforms.Compose(
        [
            transforms.Resize(232),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
