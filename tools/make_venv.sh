#!/bin/sh
# Makes private Python environments in .deps for tests. Usage: tools/make_venv.sh onnx|npu...
#
#   onnx  .deps/venv-onnx, the oracle of the ONNX export's tests
#   npu   .deps/venv-npu, ONNX Runtime, Qualcomm's compiler and emulator, OpenVINO: libraries that Tessera opens at run time. They
#         are only ever installed from the registry by whoever runs this; Qualcomm's come under its own licence and are never
#         redistributed. 64-bit x86 Linux only.
#
# Does nothing for what is there and right; what pip cannot install is removed again.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)

make_venv() {  # NAME PINS pip-install arguments...
  venv=$root/.deps/venv-$1
  pins=$2
  shift 2
  if [ -f "$venv/pins" ] && [ "$(cat "$venv/pins")" = "$pins" ]; then
    return
  fi
  rm -rf "$venv"
  mkdir -p "$root/.deps"
  python3 -m venv "$venv"
  if ! "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"; then
    rm -rf "$venv"
    return 1
  fi
  printf '%s\n' "$pins" > "$venv/pins"
}

for name in "$@"; do
  case "$name" in
    onnx)
      pins="numpy==2.4.6 onnx==1.23.2 onnxruntime==1.31.1"
      # shellcheck disable=SC2086  # a list of words
      make_venv onnx "$pins" $pins
      ;;
    npu)
      if [ "$(uname -s)-$(uname -m)" != Linux-x86_64 ]; then
        echo "make_venv: the vendors' compilers are pinned for 64-bit x86 Linux only" >&2
        exit 1
      fi
      # Only the libraries are used, so what their Python modules need is left out.
      make_venv npu "$(cat "$root/tools/venv_npu.txt")" --no-deps --require-hashes --only-binary :all: -r "$root/tools/venv_npu.txt"
      ;;
    *)
      echo "make_venv: no environment '$name'; there are onnx and npu" >&2
      exit 2
      ;;
  esac
done
