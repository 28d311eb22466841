"""SageMaker's control plane and hosting; instances are processes of this machine."""
