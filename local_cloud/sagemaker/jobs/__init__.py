"""Training, tuning and transform jobs: processes of this machine, with SageMaker's states."""
