#!/usr/bin/env bash
# Everything that judges the source without running it. Usage: tools/lint.sh [--no-tidy]
# clang-tidy looks at the files changed since $TESSERA_TIDY_BASE (a git revision) or, without it, at all of src/, and stops
# taking new files after $TESSERA_TIDY_SECONDS (default 900), saying how many it left.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
passed=0
failed=0

check() {  # check NAME COMMAND...
  local name="$1" output
  shift
  if output="$("$@" 2>&1)"; then
    passed=$((passed + 1))
    printf 'ok    %s%s\n' "$name" "${output:+: $(tail -n 1 <<< "$output")}"
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

tidy_check() {
  local build=build/lint deadline files left=0 batch
  cmake -S . -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_COMPILER=clang-19 -DCMAKE_CXX_COMPILER=clang++-19 \
    -DTESSERA_BUILD_TESTS=OFF > /dev/null || return 1
  if [[ -n "${TESSERA_TIDY_BASE:-}" ]]; then
    mapfile -t files < <(git diff --name-only --diff-filter=d "$TESSERA_TIDY_BASE" -- 'src/**.cc' 'src/*.cc')
  else
    mapfile -t files < <(find src -name '*.cc' | sort)
  fi
  deadline=$((SECONDS + ${TESSERA_TIDY_SECONDS:-900}))
  local status=0 index=0 jobs
  jobs="$(nproc)"
  while ((index < ${#files[@]})); do
    if ((SECONDS > deadline)); then
      left=$((${#files[@]} - index))
      break
    fi
    batch=("${files[@]:index:4*jobs}")
    printf '%s\n' "${batch[@]}" | xargs -P "$jobs" -n 1 clang-tidy-19 -p "$build" --quiet 2> /dev/null || status=1
    index=$((index + ${#batch[@]}))
  done
  echo "$((index)) of ${#files[@]} files checked${left:+, $left left for lack of time}"
  return "$status"
}

shell_check() {
  shellcheck -x quickstart test .ci/run tools/*.sh && echo "shell scripts"
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
check "third-party notice is current" tools/third_party.py --check
[[ "${1:-}" == --no-tidy ]] || check "clang-tidy" tidy_check
echo "$passed passed, $failed failed"
[[ "$failed" -eq 0 ]]
