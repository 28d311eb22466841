"""What a machine without PyTorch installs besides the packages of a job."""

from typing import Final

# The versions of requirements/training.txt, which a test compares.
TORCH_PACKAGES: Final = ("torch==2.14.1", "torchvision==0.29.2", "numpy==2.4.6")
