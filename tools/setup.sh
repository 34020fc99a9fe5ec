# Set-up shared by quickstart, test and .ci/run. Source it; it defines functions and prints progress on stderr only.
# shellcheck shell=bash
TESSERA_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
BUILD_JOBS="${TESSERA_JOBS:-$(nproc)}"

step() { printf '==> %s\n' "$*" >&2; }
fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# One set-up at a time in one checkout: a second caller waits for the first.
lock_setup() {
  mkdir -p "$TESSERA_ROOT/build"
  exec 9> "$TESSERA_ROOT/build/.lock"
  if ! flock -n 9; then
    step "another set-up is running here, waiting for it"
    flock 9
  fi
}
unlock_setup() { exec 9>&-; }

# Hash of everything that decides what set-up has to do; sources are ninja's business.
setup_key() {
  (
    cd "$TESSERA_ROOT" || exit 1
    { sha256sum deps.lock CMakeLists.txt CMakePresets.json cmake/* tools/install_packages.sh tools/fetch_deps.py; echo "$*"; } |
      sha256sum | cut -d ' ' -f 1
  )
}

install_packages() {
  if [[ -n "${TESSERA_SKIP_PACKAGES:-}" ]]; then
    step "system packages: skipped (TESSERA_SKIP_PACKAGES is set)"
  else
    step "system packages ($*)"
    "$TESSERA_ROOT/tools/install_packages.sh" "$@" 9>&- || exit 1
  fi
}

fetch_deps() {
  step "pinned dependencies"
  python3 "$TESSERA_ROOT/tools/fetch_deps.py" 9>&- ||
    fail "dependencies could not be fetched (see above). Without them only a slow, scalar build is possible:
       cmake --preset scalar && cmake --build --preset scalar --target tessera_main"
}

# configure PRESET [cmake args]: prints cmake's output only when it fails.
configure() {
  local preset="$1" log
  shift
  step "configure ($preset)"
  if [[ "$preset" == release ]] && ! command -v clang++-19 > /dev/null; then
    step "clang-19 is not here: building with g++, whose kernels run at about half the speed"
    set -- "$@" -DCMAKE_C_COMPILER=gcc -DCMAKE_CXX_COMPILER=g++
  fi
  log="$TESSERA_ROOT/build/configure-$preset.log"
  mkdir -p "$TESSERA_ROOT/build"
  if ! (cd "$TESSERA_ROOT" && cmake --preset "$preset" "$@") > "$log" 2>&1 9>&-; then
    tail -n 30 "$log" >&2
    fail "cmake could not configure; the whole output is in $log"
  fi
}

# build PRESET [targets]: ninja's progress goes to stderr.
build() {
  local preset="$1" log targets=()
  shift
  [[ $# -eq 0 ]] || targets=(--target "$@")
  log="$TESSERA_ROOT/build/build-$preset.log"
  if [[ -t 2 ]]; then
    cmake --build "$TESSERA_ROOT/build/$preset" -j "$BUILD_JOBS" "${targets[@]}" 1>&2 9>&- ||
      fail "the build failed (see above)"
  elif ! cmake --build "$TESSERA_ROOT/build/$preset" -j "$BUILD_JOBS" "${targets[@]}" > "$log" 2>&1 9>&-; then
    grep -E -A 20 'FAILED|error:' "$log" | head -n 60 >&2 || tail -n 40 "$log" >&2
    fail "the build failed; the whole output is in $log"
  fi
}
