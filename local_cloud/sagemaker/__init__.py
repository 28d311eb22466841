"""SageMaker's control plane and hosting, on processes of this machine."""
