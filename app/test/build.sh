# The C unit tests. Sourced by build.sh, after app/build.sh.
# shellcheck shell=bash

readonly SANITIZE=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
readonly SANITIZE_THREADS=(-fsanitize=thread -fno-omit-frame-pointer)
readonly SANITIZED=$BUILD/sanitized THREAD_SANITIZED=$BUILD/thread-sanitized
readonly SANITIZER_OPTIONS=(
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
)

# unit_topics: the topics of the unit tests, one per line; TOPIC_test.c has the tests of TOPIC.
unit_topics() { basename -a -s _test.c "$ROOT"/app/test/*_test.c; }

# unit_tests [TOPIC...]: builds and runs them with gcc's sanitizers and glibc; results in build/results/unit.tap.
# Any output on standard error is a failure, so that no warning is missed.
unit_tests() {
  local topic topics
  mapfile -t topics < <(unit_topics)
  for topic in "$@"; do known "unit test of" "$topic" "${topics[@]}"; done
  step "compile unit tests with sanitizers" build_sanitized
  step "run unit tests${*:+ of $*}" run_unit "$@"
}

run_unit() {
  local status=0
  # In memory: an fsync of a thousand files would take long, and these tests do not depend on it.
  SCRATCH=$(mktemp -d -p "$(memory_directory)")
  trap 'rm -rf "$SCRATCH"' EXIT
  mkdir -p "$BUILD/results"
  env "${SANITIZER_OPTIONS[@]}" TMPDIR="$SCRATCH" "$SANITIZED/unit" "$@" >"$BUILD/results/unit.tap" 2>"$SCRATCH/stderr" || status=$?
  grep -A3 '^not ok\|^Bail' "$BUILD/results/unit.tap" || tail -n 1 "$BUILD/results/unit.tap"
  cat "$SCRATCH/stderr"
  [ "$status" = 0 ] && [ ! -s "$SCRATCH/stderr" ]
}

memory_directory() {
  if [ -w /dev/shm ]; then echo /dev/shm; else echo "${TMPDIR:-/tmp}"; fi
}

# build_sanitized: the tests, and the program itself, which tests can run with WEB_APP=build/sanitized/web-app.
build_sanitized() {
  local flags=("${SANITIZE[@]}") app test
  compile_sanitized "$SANITIZED" "${APP_SOURCES[@]}" "$ROOT"/app/test/*.c
  mapfile -t app < <(objects_of "$SANITIZED" "${APP_SOURCES[@]}")
  mapfile -t test < <(objects_of "$SANITIZED" "$ROOT"/app/test/*.c)
  gcc "${flags[@]}" -pthread -o "$SANITIZED/web-app" "${app[@]}"
  mapfile -t app < <(printf '%s\n' "${app[@]}" | grep -v '/main\.o$')
  gcc "${flags[@]}" -pthread -o "$SANITIZED/unit" "${app[@]}" "${test[@]}"
}

# build_thread_sanitized: the program alone, with a detector of data races (WEB_APP=build/thread-sanitized/web-app).
build_thread_sanitized() { build_with gcc "$THREAD_SANITIZED" "${SANITIZE_THREADS[@]}"; }

# build_plain: build/plain/web-app, with glibc and without sanitizers.
build_plain() { build_with gcc "$BUILD/plain"; }

# build_static: build/static/web-app, with musl like the released program, but compiled file by file.
build_static() { build_with musl-gcc "$BUILD/static" -static; }

# build_emulated ARCH: build/ARCH/emulated, which runs the program of that architecture by QEMU's emulation of it, and
# build/ARCH/unit, its unit tests, without sanitizers, since the emulator lacks what they need of the memory.
build_emulated() {
  local directory=$BUILD/$1 emulator compiler headers flags objects
  emulator=qemu-${TRIPLETS[$1]%%-*}-static
  compiler=$(tool_of "$1" gcc)
  musl_headers "$1"
  flags=("${headers[@]}" "${HARDEN[@]}")
  # The emulator has neither seccomp nor Landlock, and the program would say so in its log.
  cat >"$directory/emulated.new" <<END
#!/bin/sh
export WEB_APP_SANDBOX="\${WEB_APP_SANDBOX:-off}"
exec $emulator $directory/web-app "\$@"
END
  chmod 0755 "$directory/emulated.new"
  mv "$directory/emulated.new" "$directory/emulated"
  compile_sanitized "$directory/unit-objects" "${APP_SOURCES[@]}" "$ROOT"/app/test/*.c
  mapfile -t objects < <(objects_of "$directory/unit-objects" "${APP_SOURCES[@]}" "$ROOT"/app/test/*.c | grep -v '/main\.o$')
  link_static "$1" "$directory/unit" "${objects[@]}"
}

# build_with COMPILER DIRECTORY [FLAG...]: builds the program in DIRECTORY.
build_with() {
  local compiler=$1 directory=$2 flags=("${@:3}") app
  compile_sanitized "$directory" "${APP_SOURCES[@]}"
  mapfile -t app < <(objects_of "$directory" "${APP_SOURCES[@]}")
  "$compiler" "${flags[@]}" -pthread -o "$directory/web-app.new" "${app[@]}"
  mv "$directory/web-app.new" "$directory/web-app"
}

# compile_sanitized DIRECTORY SOURCE...: compiles the objects with the sanitizers in $flags, by $compiler or gcc. An object
# is compiled again if its source, a header, a flag or the compiler has changed. Copies of the project share its objects.
compile_sanitized() {
  local directory=$1 options="${COMPILE[*]} ${flags[*]}" shared hashes hash source objects object known job number=0 jobs=0
  shift
  mkdir -p "$directory"
  mapfile -t objects < <(objects_of "$directory" "$@")
  shared=$({
    printf '%s\n' "${options//"$ROOT"/}"
    "${compiler:-gcc}" --version
    cat "${APP_HEADERS[@]}" "$ROOT"/app/test/*.h "$ROOT"/app/test/fuzz/*.h "$ROOT"/app/http/civetweb_hooks/* \
      "$CIVETWEB/.verified" "$ROOT/app/test/build.sh"
  } | sha256sum)
  hashes=$(sha256sum "$@")
  while read -r hash source; do
    object=${objects[number]}
    number=$((number + 1))
    { read -r known <"$object.key"; } 2>/dev/null || known=
    [ "$known" != "$shared $hash" ] || continue
    sanitized_object "$source" "$object" "$shared $hash" &
    jobs=$((jobs + 1))
    [ "$jobs" -lt "$(nproc)" ] || {
      wait -n
      jobs=$((jobs - 1))
    }
  done <<<"$hashes"
  # Wait for each job by its id: `wait` alone does not report a failure.
  for job in $(jobs -p); do wait "$job"; done
}

# objects_of DIRECTORY SOURCE...: prints the paths of the objects, one per line.
objects_of() {
  local directory=$1 name
  shift
  for name in "${@#"$ROOT"/app/}"; do
    name=${name//\//-}
    echo "$directory/${name%.c}.o"
  done
}

# sanitized_object SOURCE OBJECT KEY: compiles SOURCE; KEY says what the object was made of.
sanitized_object() {
  rm -f "$2.key"
  "${compiler:-gcc}" "${COMPILE[@]}" "${flags[@]}" -O1 -g -pthread -c -o "$2" "$1"
  echo "$3" >"$2.key"
}
