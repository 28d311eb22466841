"""AWS on a laptop: MiniStack, plus an emulation of SageMaker."""
