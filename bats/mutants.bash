# Mutants: builds of the program with one bug each, which a test must notice: a test that cannot fail proves nothing.
# bats/faults/mutants/NAME.patch has the bug, and says above it what the program does wrong.
# shellcheck shell=bash

load sanitized

MUTANTS=$ROOT/bats/faults/mutants

# mutant NAME [BUILD]: builds that mutant and points WEB_APP at it. BUILD is static, with the C library of the program
# that ships and the default, or plain, sanitized, thread-sanitized or fuzz: see build_as. What was built is in the
# folder $MUTANT.
mutant() {
  local build=${2:-static} folder
  folder=$BUILD/mutants/$build/$1
  mkdir -p "${folder%/*}"
  # A test of another file may want the same one at the same time.
  (flock 9 && make_mutant "$MUTANTS/$1.patch" "$build" "$folder") 9>"$folder.lock" || return
  MUTANT=$folder/build/$build
  # shellcheck disable=SC2034 # start_web_app runs it
  WEB_APP=$MUTANT/web-app
}

# make_mutant PATCH BUILD FOLDER: unless it is there from these sources and this patch. The objects of the program come
# along, so that only what the patch changes is compiled.
make_mutant() {
  local function=build_${2//-/_} key
  key=$(find "$ROOT/app" "$ROOT/bats/mutants.bash" "$ROOT/bats/sanitized.bash" "$1" -type f -print0 | sort -z | xargs -0 cat | sha256sum) ||
    return
  [ "$(cat "$3/key" 2>/dev/null)" != "$key" ] || return 0
  plant "$1" "$3" && build_as "$function" || return
  mkdir "$3/build" && ln -s "$BUILD/civetweb" "$3/build/civetweb" || return
  cp -r "$BUILD/${2/#fuzz/fuzz-objects}" "$3/build" && build_as "$function" "$3" || return
  printf '%s' "$key" >"$3/key"
}

# plant PATCH FOLDER: makes the folder a copy of the sources with that patch. One that does not apply as it stands, or
# that changes nothing, is a bug of the tests.
plant() {
  local output
  rm -rf "$2" && mkdir -p "$2/third_party" || return
  cp -r "$ROOT/app" "$ROOT/build.sh" "$2" && cp -r "$ROOT/third_party/civetweb" "$2/third_party" || return
  output=$(patch --directory="$2" --strip=1 --fuzz=0 --forward --batch --no-backup-if-mismatch --input="$1" 2>&1) &&
    ! diff -rq "$ROOT/app" "$2/app" >/dev/null || fail "BUG: $1 does not apply: $output"
}
