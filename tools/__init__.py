# The tools import packages of model_code and lambda_src, which are not installed.
import stacks  # noqa: F401 - it adds both to the import path
