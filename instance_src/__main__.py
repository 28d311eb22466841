"""Runs one training job on a machine of EC2, whose user data starts this archive."""

import sys

from trainer.job import main

if __name__ == "__main__":
    sys.exit(main())
