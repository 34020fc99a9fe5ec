#!/usr/bin/env bash
# Everything that judges the source without running it. Usage: tools/lint.sh [--no-tidy]
# clang-tidy looks at all of src/, what changed last first. With TESSERA_TIDY_SECONDS it takes no new file after that time and
# names those it left.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
passed=0
failed=0

check() {  # check NAME COMMAND...
  local name="$1" output
  shift
  if output="$("$@" 2>&1)"; then
    passed=$((passed + 1))
    printf 'ok    %s%s\n' "$name" "${output:+: $output}"
  else
    failed=$((failed + 1))
    printf 'FAIL  %s\n%s\n' "$name" "$(tail -n 60 <<< "$output")"
  fi
}

sources() { find src include tests fuzz bench examples \( -name '*.h' -o -name '*.cc' -o -name '*.c' \) 2> /dev/null | sort; }

format_check() {
  mapfile -t files < <(sources)
  clang-format-19 --dry-run --Werror "${files[@]}" && echo "${#files[@]} files"
}

# One file: "TIDY ok|same|left|BAD FILE" after the findings. A pass is remembered by the hash of all that decides it.
tidy_one() {
  local key output
  key="$(cat "$1" build/lint/headers.sum | sha256sum | cut -d ' ' -f 1)"
  if [[ -e "build/lint/passed/$key" ]]; then
    echo "TIDY same $1"
  elif (($(date +%s) > TIDY_DEADLINE)); then
    echo "TIDY left $1"
  elif output="$(clang-tidy-19 -p build/lint --quiet "$1" 2>&1)"; then
    touch "build/lint/passed/$key"
    echo "TIDY ok $1"
  else
    printf '%s\nTIDY BAD %s\n' "$(grep -vE '^[0-9]+ warnings' <<< "$output")" "$1"
  fi
}
export -f tidy_one

tidy_check() {
  local log=build/lint/tidy.log offset
  cmake -S . -B build/lint -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DTESSERA_BUILD_TESTS=OFF > /dev/null || return 1
  mkdir -p build/lint/passed
  find src include -name '*.h' -print0 | sort -z | xargs -0 sha256sum .clang-tidy cmake/*.cmake > build/lint/headers.sum
  mapfile -t all < <(find src -name '*.cc' | sort)
  # What changed last comes first; the rest in a rotation by commit, so that what time leaves out differs from commit to commit.
  offset=$(($(git rev-list --count HEAD 2> /dev/null || echo 0) * 31 % ${#all[@]}))
  TIDY_DEADLINE=$(($(date +%s) + ${TESSERA_TIDY_SECONDS:-100000}))
  export TIDY_DEADLINE
  {
    git log -n 5 --name-only --diff-filter=d --format= -- 'src/*.cc' 2> /dev/null
    printf '%s\n' "${all[@]:offset}" "${all[@]:0:offset}"
  } | awk '!seen[$0]++' | while read -r file; do [[ ! -f "$file" ]] || printf '%s\0' "$file"; done |
    xargs -0 -P "$(nproc)" -n 1 bash -c "tidy_one \"\$0\"" > "$log"
  grep -v '^TIDY [a-z]' "$log"
  if grep -q '^TIDY left' "$log"; then
    echo "not looked at for lack of time:"
    sed -n 's/^TIDY left /  /p' "$log"
  fi
  echo "${#all[@]} files: $(grep -c '^TIDY ok' "$log") pass, $(grep -c '^TIDY same' "$log") passed before and are unchanged," \
    "$(grep -c '^TIDY BAD' "$log") with findings, $(grep -c '^TIDY left' "$log") not looked at for lack of time"
  # CI reports findings without failing on them until the whole tree is clean; by hand they fail.
  { [[ -n "${TESSERA_TIDY_ADVISORY:-}" ]] || ! grep -q '^TIDY BAD' "$log"; } && [[ "$(grep -c '^TIDY ' "$log")" -eq "${#all[@]}" ]]
}

shell_check() {
  shellcheck -x quickstart test .ci/run tools/*.sh && echo "shell scripts"
}

# What is kept compiling for Windows: its list of devices, and what of src/base has no POSIX in it.
windows_check() {
  local compiler=x86_64-w64-mingw32-g++-posix file
  local -a files=(src/runtime/devices_windows.cc src/base/{check,checksum,debug_log,glob,huge_pages,process_info,protobuf_wire}.cc
    src/base/{sha256,shared_library,status,stdout_guard,thread_pool,xml}.cc)
  if ! command -v "$compiler" > /dev/null; then
    echo "skipped: no $compiler (package g++-mingw-w64-x86-64-posix)"
    return 0
  fi
  for file in "${files[@]}"; do
    "$compiler" -std=c++20 -Wall -Wextra -Wno-unused-parameter -Werror -Iinclude -Isrc -fsyntax-only "$file" || return 1
  done
  echo "${#files[@]} files"
}

# No path of a developer's machine and no registry host may enter the tree.
private_paths() {
  if git rev-parse --git-dir > /dev/null 2>&1; then
    ! git grep -nE '(^|[^A-Za-z0-9_./-])/(work|root|home)/[A-Za-z]|files\.pythonhosted|registry\.npmjs|deb\.debian' -- . \
      ':!tools/lint.sh'
  fi
}

check "include directions" tools/check_includes.py
check "include checker's own test" tools/check_includes.py --self-test
check "clang-format" format_check
check "shellcheck" shell_check
check "no machine path or host" private_paths
check "Windows" windows_check
check "third-party notice is current" tools/third_party.py --check
[[ "${1:-}" == --no-tidy ]] || check "clang-tidy" tidy_check
echo "$passed passed, $failed failed"
[[ "$failed" -eq 0 ]]
