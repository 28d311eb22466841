#!/bin/bash
shutdown -h +@SHUTDOWN_MINUTES@
trap 'shutdown -h now' EXIT
set -euo pipefail
export AWS_DEFAULT_REGION='@REGION@' WHIPPET_TRAINER='@STAGE@'
# Not /tmp, which lies in memory.
cd "$(mktemp -d -p "${TMPDIR:-/var/tmp}")"
aws s3 cp --only-show-errors '@PROGRAM@' trainer.zip
python3 trainer.zip
