# The fuzz targets: libFuzzer with the whole program but its main(). Sourced after app/test/build.sh.
# shellcheck shell=bash

readonly FUZZ=$BUILD/fuzz FUZZ_OBJECTS=$BUILD/fuzz-objects
readonly FUZZ_SANITIZE=(-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=all -fno-omit-frame-pointer)

# build_fuzz: build/fuzz/request, client_response, recovery, options, ledger, comparison and member; or only those that
# $fuzz_targets names.
build_fuzz() {
  # shellcheck disable=SC2034 # compile_sanitized reads them
  local compiler=clang flags=("${FUZZ_SANITIZE[@]}" -fsanitize=fuzzer-no-link)
  local sources objects target
  mapfile -t sources < <(printf '%s\n' "${APP_SOURCES[@]}" | grep -v '/main\.c$')
  compile_sanitized "$FUZZ_OBJECTS" "${sources[@]}" "$ROOT"/app/test/fuzz/*.c
  mapfile -t objects < <(objects_of "$FUZZ_OBJECTS" "${sources[@]}" "$ROOT/app/test/fuzz/demand.c")
  mkdir -p "$FUZZ"
  for target in ${fuzz_targets:-request client_response recovery options ledger comparison member}; do
    clang "${FUZZ_SANITIZE[@]}" -fsanitize=fuzzer -pthread -o "$FUZZ/$target" "${objects[@]}" \
      "$FUZZ_OBJECTS/test-fuzz-$target.o"
  done
}
