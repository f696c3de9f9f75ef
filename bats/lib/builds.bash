# Builds of the program that tell of memory errors, undefined behaviour and data races; and copies of its sources, to
# be broken on purpose.
# shellcheck shell=bash

# build_as FUNCTION [FOLDER]: build_sanitized, build_thread_sanitized, build_plain, build_fuzz or fetch_slowhttptest, for
# this project or for a copy of it in FOLDER. Who comes while another test file builds waits for it.
build_as() {
  local root=${2:-$ROOT} output
  mkdir -p "$root/build"
  output=$root/build/build_as.$1.log
  flock "$root/build/build_as.lock" bash "$ROOT/bats/lib/builds.bash" "$root" "$@" >"$output" 2>&1 </dev/null 3>&- ||
    fail "$1 fails: $(tail -n 20 "$output")"
}

# copy_of_app FOLDER: the program's sources, to be broken on purpose. What was built of them comes along, so that only
# what is changed is compiled anew.
copy_of_app() {
  mkdir -p "$1/build" "$1/third_party"
  cp -r "$ROOT/app" "$ROOT/build.sh" "$1"
  cp -r "$ROOT/third_party/civetweb" "$1/third_party"
  ln -s "$BUILD/civetweb" "$1/build/civetweb"
  local built
  for built in sanitized thread-sanitized plain fuzz-objects; do
    [ ! -d "$BUILD/$built" ] || cp -r "$BUILD/$built" "$1/build"
  done
}

# plant FOLDER FILE SED: applies the sed script to that copy's app/FILE, which has to change it.
plant() {
  cp "$1/app/$2" "$1/before"
  sed -i -E "$3" "$1/app/$2"
  ! cmp -s "$1/before" "$1/app/$2" || fail "BUG: $3 changes nothing in app/$2"
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
  fi
  # build/plain/web-app: with glibc, without any sanitizer.
  build_plain() {
    local flags=() app
    compile_sanitized "$BUILD/plain" "$ROOT"/app/*.c
    mapfile -t app < <(objects_of "$BUILD/plain" "$ROOT"/app/*.c)
    gcc -pthread -o "$BUILD/plain/web-app" "${app[@]}"
  }
  "$2"
fi
