"""AWS on a laptop: MiniStack, with the SageMaker that it lacks."""
