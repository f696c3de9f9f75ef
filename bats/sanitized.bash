# Builds of the program for tests: those that tell of memory errors, undefined behaviour and data races, and others.
# shellcheck shell=bash

# build_as FUNCTION [FOLDER]: build_sanitized, build_thread_sanitized, build_static, build_plain, build_fuzz or
# fetch_slowhttptest, for this project or for a copy of it in FOLDER. It waits while another test file builds.
build_as() {
  local root=${2:-$ROOT} output
  mkdir -p "$root/build"
  output=$root/build/build_as.$1.log
  flock "$root/build/build_as.lock" bash "$ROOT/bats/sanitized.bash" "$root" "$@" >"$output" 2>&1 </dev/null 3>&- ||
    fail "$1 fails: $(tail -n 20 "$output")"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then
  set -euo pipefail
  say() { printf '%s\n' "$*" >&2; }
  die() {
    say "$@"
    exit 1
  }
  step() {
    say "$1"
    "${@:2}"
  }
  ROOT=$1 BUILD=$1/build
  VERSION=$(sed -n 's/^readonly .* VERSION=//p' "$ROOT/build.sh")
  # shellcheck source=third_party/civetweb/fetch.sh
  source "$ROOT/third_party/civetweb/fetch.sh"
  # shellcheck source=app/build.sh
  source "$ROOT/app/build.sh"
  # shellcheck source=app/test/build.sh
  source "$ROOT/app/test/build.sh"
  # shellcheck source=app/test/fuzz/build.sh
  source "$ROOT/app/test/fuzz/build.sh"
  if [ "$2" = fetch_slowhttptest ]; then
    # shellcheck source=third_party/debian.sh
    source "$ROOT/third_party/debian.sh"
    # shellcheck source=third_party/slowhttptest/fetch.sh
    source "$ROOT/third_party/slowhttptest/fetch.sh"
  fi
  # build/plain/web-app: with glibc, without any sanitizer.
  build_plain() { build_with gcc "$BUILD/plain"; }
  # build/static/web-app: with the C library of the program that ships, but compiled file by file.
  build_static() { build_with musl-gcc "$BUILD/static" -static; }
  # build_with COMPILER FOLDER [LINKER-OPTION...]
  build_with() {
    # shellcheck disable=SC2034 # compile_sanitized reads them
    local compiler=$1 folder=$2 flags=() app
    compile_sanitized "$folder" "$ROOT"/app/*.c
    mapfile -t app < <(objects_of "$folder" "$ROOT"/app/*.c)
    "$compiler" "${@:3}" -pthread -o "$folder/web-app.new" "${app[@]}"
    mv "$folder/web-app.new" "$folder/web-app"
  }
  "$2"
fi
