# Mutants: builds of the program with one bug each, which a test must notice: a test that cannot fail proves nothing.
# bats/faults/mutants/NAME.patch has the bug, below a text that says what the program then does wrong.
# shellcheck shell=bash

load ../lib/common

MUTANTS=$ROOT/bats/faults/mutants

# build_as FUNCTION [DIRECTORY]: build_sanitized, build_thread_sanitized, build_static, build_plain or build_fuzz of
# app/test, for this project or for a copy of it in DIRECTORY. It waits while another test file builds.
build_as() {
  local root=${2:-$ROOT} output
  mkdir -p "$root/build"
  output=$root/build/build_as.$1.log
  flock "$root/build/build_as.lock" bash -euo pipefail -c 'source "$1/build.sh"; "$2"' build_as "$root" "$1" \
    >"$output" 2>&1 </dev/null 3>&- || fail "$1 fails: $(tail -n 20 "$output")"
}

# mutant NAME [BUILD]: builds that mutant and points WEB_APP at it. BUILD is static (the default, with the C library of
# the released program), plain, sanitized, thread-sanitized or fuzz: see build_as. The result is in the directory
# $MUTANT.
mutant() {
  local build=${2:-static} directory
  directory=$BUILD/mutants/$build/$1
  mkdir -p "${directory%/*}"
  # A test of another file may build the same mutant at the same time.
  (flock 9 && make_mutant "$MUTANTS/$1.patch" "$build" "$directory") 9>"$directory.lock" || return
  MUTANT=$directory/build/$build
  # shellcheck disable=SC2034 # start_web_app runs it
  WEB_APP=$MUTANT/web-app
}

# is_found_out REGEX COMMAND...: COMMAND fails, and its output matches. For a mutant that is wrong in one order of events
# only, which the kernel or the machine's load chooses: it may take ten attempts.
is_found_out() { try --max 10 --delay 0.1 -- is_found_out_once "$@"; }

is_found_out_once() {
  run "${@:2}"
  stop_started
  # shellcheck disable=SC2154 # set by run
  [ "$status" != 0 ] && [[ $output =~ $1 ]]
}

# make_mutant PATCH BUILD DIRECTORY: builds it unless it is there from the same sources and patch. The program's objects
# are copied first, so that only changed sources are compiled.
make_mutant() {
  local function=build_${2//-/_} key
  key=$(find "$ROOT/app" "$ROOT/build.sh" "$ROOT/bats/lib/mutants.bash" "$1" -type f -print0 | sort -z | xargs -0 cat | sha256sum) ||
    return
  [ "$(cat "$3/key" 2>/dev/null)" != "$key" ] || return 0
  plant "$1" "$3" && build_as "$function" || return
  mkdir "$3/build" && ln -s "$BUILD/civetweb" "$3/build/civetweb" || return
  flock "$BUILD/build_as.lock" cp -r "$BUILD/${2/#fuzz/fuzz-objects}" "$3/build" && build_as "$function" "$3" || return
  printf '%s' "$key" >"$3/key"
}

# plant PATCH DIRECTORY: makes DIRECTORY a copy of the sources with that patch. A patch that does not apply exactly, or
# that changes nothing, is a bug of the tests.
plant() {
  local output
  rm -rf "$2" && mkdir -p "$2/third_party" || return
  cp -r "$ROOT/app" "$ROOT/build.sh" "$2" &&
    cp -r "$ROOT"/third_party/{civetweb,tzdata,*.sh} "$2/third_party" || return
  output=$(patch --directory="$2" --strip=1 --fuzz=0 --forward --batch --no-backup-if-mismatch --input="$1" 2>&1) &&
    ! diff -rq "$ROOT/app" "$2/app" >/dev/null || fail "BUG: $1 does not apply: $output"
}
