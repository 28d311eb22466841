# The benchmarks import packages of model_code, which are not installed.
import stacks  # noqa: F401 - it adds them to the import path
