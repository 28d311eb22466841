"""How to work with a stage by the SageMaker Python SDK; run in the environment of `make sdk`."""
