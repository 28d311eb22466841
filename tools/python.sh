#!/bin/sh
# Runs Python in the virtual environment of the current folder, whether or not it is active.
# The CDK command line starts the app and the bundles with it (cdk.json).

# jsii starts the first `node` of PATH, and supports only Node 22 and 24.
PATH="$PWD/.venv/bin:$PATH"
export PATH
installed='import importlib.util, sys; sys.exit(importlib.util.find_spec("cdk_nag") is None)'
if ! .venv/bin/python -c "$installed" 2>/dev/null; then
  echo "error: the virtual environment .venv is missing or incomplete: run \`make environments\`." >&2
  exit 1
fi
exec .venv/bin/python "$@"
