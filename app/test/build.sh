# The C unit tests. Sourced by build.sh, after app/build.sh.
# shellcheck shell=bash

readonly SANITIZE=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)
readonly SANITIZE_THREADS=(-fsanitize=thread -fno-omit-frame-pointer)
readonly SANITIZED=$BUILD/sanitized THREAD_SANITIZED=$BUILD/thread-sanitized
readonly SANITIZER_OPTIONS=(
  "ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1"
  "UBSAN_OPTIONS=print_stacktrace=1"
)

# unit_topics: what there are unit tests of, one a line; TOPIC_test.c holds them.
unit_topics() { basename -a -s _test.c "$ROOT"/app/test/*_test.c; }

# unit_tests [TOPIC...]: builds and runs them with the sanitizers of glibc's gcc; results in build/results/unit.tap.
# Anything on standard error is a failure, so that no warning goes unseen.
unit_tests() {
  local topic topics
  mapfile -t topics < <(unit_topics)
  for topic in "$@"; do known "unit test of" "$topic" "${topics[@]}"; done
  step "compile unit tests with sanitizers" build_sanitized
  step "run unit tests${*:+ of $*}" run_unit "$@"
}

run_unit() {
  local status=0
  # In memory: an fsync of each of a thousand files would take its time and prove nothing here.
  SCRATCH=$(mktemp -d -p "$(memory_folder)")
  trap 'rm -rf "$SCRATCH"' EXIT
  mkdir -p "$BUILD/results"
  env "${SANITIZER_OPTIONS[@]}" TMPDIR="$SCRATCH" "$SANITIZED/unit" "$@" >"$BUILD/results/unit.tap" 2>"$SCRATCH/stderr" || status=$?
  grep -A3 '^not ok\|^Bail' "$BUILD/results/unit.tap" || tail -n 1 "$BUILD/results/unit.tap"
  cat "$SCRATCH/stderr"
  [ "$status" = 0 ] && [ ! -s "$SCRATCH/stderr" ]
}

memory_folder() {
  if [ -w /dev/shm ]; then echo /dev/shm; else echo "${TMPDIR:-/tmp}"; fi
}

# build_sanitized: the tests, and the program itself for whoever wants to run it so
# (WEB_APP=build/sanitized/web-app).
build_sanitized() {
  local flags=("${SANITIZE[@]}") app test
  compile_sanitized "$SANITIZED" "${APP_SOURCES[@]}" "$ROOT"/app/test/*.c
  mapfile -t app < <(objects_of "$SANITIZED" "${APP_SOURCES[@]}")
  mapfile -t test < <(objects_of "$SANITIZED" "$ROOT"/app/test/*.c)
  gcc "${flags[@]}" -pthread -o "$SANITIZED/web-app" "${app[@]}"
  mapfile -t app < <(printf '%s\n' "${app[@]}" | grep -v '/main\.o$')
  gcc "${flags[@]}" -pthread -o "$SANITIZED/unit" "${app[@]}" "${test[@]}"
}

# build_thread_sanitized: the program alone, where data races are told (WEB_APP=build/thread-sanitized/web-app).
build_thread_sanitized() { build_with gcc "$THREAD_SANITIZED" "${SANITIZE_THREADS[@]}"; }

# build_plain: build/plain/web-app, with glibc, without any sanitizer.
build_plain() { build_with gcc "$BUILD/plain"; }

# build_static: build/static/web-app, with the C library of the program that ships, but compiled file by file.
build_static() { build_with musl-gcc "$BUILD/static" -static; }

# build_with COMPILER FOLDER [FLAG...]: the program in that folder.
build_with() {
  local compiler=$1 folder=$2 flags=("${@:3}") app
  compile_sanitized "$folder" "${APP_SOURCES[@]}"
  mapfile -t app < <(objects_of "$folder" "${APP_SOURCES[@]}")
  "$compiler" "${flags[@]}" -pthread -o "$folder/web-app.new" "${app[@]}"
  mv "$folder/web-app.new" "$folder/web-app"
}

# compile_sanitized FOLDER SOURCE...: the objects, with the sanitizers in $flags, by $compiler or gcc.
compile_sanitized() {
  local folder=$1 source job jobs=0
  shift
  mkdir -p "$folder"
  for source in "$@"; do
    sanitized_object "$folder" "$source" &
    jobs=$((jobs + 1))
    [ "$jobs" -lt "$(nproc)" ] || {
      wait -n
      jobs=$((jobs - 1))
    }
  done
  # Each by its id: `wait` alone would not tell that one has failed.
  for job in $(jobs -p); do wait "$job"; done
}

# objects_of FOLDER SOURCE...: the objects' paths, one a line.
objects_of() {
  local folder=$1 name
  shift
  for name in "${@#"$ROOT"/app/}"; do
    name=${name//\//-}
    echo "$folder/${name%.c}.o"
  done
}

# sanitized_object FOLDER SOURCE: compiled if it, a header or a flag is not as it was.
sanitized_object() {
  local object key
  object=$(objects_of "$1" "$2")
  key=$(cat "$2" "${APP_HEADERS[@]}" "$ROOT"/app/test/*.h "$ROOT"/app/http/civetweb_hooks/* "$CIVETWEB/.verified" "$ROOT"/app/build.sh \
    "$ROOT"/app/test/build.sh | sha256sum)
  [ "$(cat "$object.key" 2>/dev/null)" != "$key" ] || return 0
  "${compiler:-gcc}" "${COMPILE[@]}" "${flags[@]}" -O1 -g -pthread -c -o "$object" "$2"
  echo "$key" >"$object.key"
}
