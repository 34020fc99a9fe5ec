#!/bin/sh
# Makes .deps/venv-onnx, the oracle of the ONNX export's tests. Does nothing when it is there and right.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.deps/venv-onnx
pins="numpy==2.4.6 onnx==1.23.2 onnxruntime==1.31.1"

if [ -f "$venv/pins" ] && [ "$(cat "$venv/pins")" = "$pins" ]; then
  exit 0
fi
rm -rf "$venv"
mkdir -p "$root/.deps"
python3 -m venv "$venv"
# shellcheck disable=SC2086  # a list of words
"$venv/bin/pip" install --quiet --disable-pip-version-check $pins
printf '%s\n' "$pins" > "$venv/pins"
