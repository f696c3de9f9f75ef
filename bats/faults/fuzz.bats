# What comes from outside, made up by libFuzzer: the bytes of a connection and of a response, a file of visits, the
# options. What each target demands of the program stands in app/test/fuzz.

load ../lib/mutants

# All targets at once; the tests look at what came of it.
setup_file() {
  local target running=()
  build_as build_fuzz
  for target in request client_response recovery options; do
    fuzz_in_background "$target" >"$BATS_FILE_TMPDIR/$target.output" 2>&1 </dev/null 3>&- &
    running+=($!)
  done
  for target in "${running[@]}"; do wait "$target"; done
}

# fuzz_in_background TARGET: for the time that there is. Its exit code goes to a file.
fuzz_in_background() {
  local code=0
  fuzz "$BUILD/fuzz/$1" "$1" -max_total_time="$(fuzz_seconds)" || code=$?
  echo "$code" >"$BATS_FILE_TMPDIR/$1.code"
}

# fuzz_seconds: a minute for each target in CI.
fuzz_seconds() {
  if [ -n "${FUZZ_SECONDS:-}" ]; then
    echo "$FUZZ_SECONDS"
  elif [ "${LONG:-}" = 1 ]; then
    echo 600
  elif [ -n "${CI:-}" ]; then
    echo 60
  else
    echo 15
  fi
}

# fuzz PROGRAM TARGET [OPTION...]: the committed corpus first, then what can be made of it. What it crashes on is kept.
fuzz() {
  local program=$1 target=$2 directory memory code=0
  shift 2
  directory=$(scratch)/$target
  memory=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || scratch)")
  mkdir -p "$directory" "$BUILD/fuzz/crashes"
  # Without what is set for people, so that one input means one thing.
  (cd "$memory" && exec env -i PATH="$PATH" TMPDIR="$memory" ASAN_OPTIONS=detect_leaks=1 \
    "$program" -max_len=2048 -timeout=20 -rss_limit_mb=1024 -use_value_profile=1 -print_final_stats=1 \
    -artifact_prefix="$BUILD/fuzz/crashes/$target-" "$@" "$directory" "$ROOT/app/test/fuzz/corpus/$target") 2>&1 || code=$?
  rm -rf "$memory"
  return "$code"
}

# withstands TARGET: nothing was found, and to good purpose: so many inputs were tried.
withstands() {
  local output=$BATS_FILE_TMPDIR/$1.output tried
  [ "$(cat "$BATS_FILE_TMPDIR/$1.code")" = 0 ] || fail "$(tail -n 40 "$output")"
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
  [ "${tried:-0}" -ge 500 ] || fail "only ${tried:-no} inputs were tried"
  echo "# $1: $tried inputs in $(fuzz_seconds) s" >&3
}

# is_found TARGET MUTANT REPORT: the bug of that mutant, within a minute.
is_found() {
  mutant "$2" fuzz
  run fuzz "$MUTANT/$1" "$1" -max_total_time=60 -artifact_prefix="$BATS_TEST_TMPDIR/"
  assert_failure
  grep -qE "$3" <<<"$output" || fail "$(tail -n 40 <<<"$output")"
}

@test "no bytes on a connection make the parsers read past them, or accept what RFC 9112 has them refuse" {
  withstands request
}

@test "no bytes of a response are read past their end, framed otherwise than RFC 9112 has it, or changed by how they come" {
  withstands client_response
}

@test "no file of visits loses a line that may be a visit, or any byte, by its repair" {
  withstands recovery
}

@test "no options, environment or time zone are misread" {
  withstands options
}

@test "control: a colon that is looked for past the end is found" {
  is_found request seeks-colon-past-end "AddressSanitizer|does not hold"
}

@test "control: a bare LF that is let through is found" {
  is_found request accepts-bare-lf "no bare LF is accepted"
}

@test "control: a Transfer-Encoding that is let through is found" {
  is_found request accepts-transfer-encoding "no coding is accepted"
}

@test "control: a response that is framed in two ways and let through is found" {
  is_found client_response accepts-two-framings "no response is framed in two ways"
}

@test "control: a body that is copied past its room is found" {
  is_found client_response copies-body-past-room "AddressSanitizer|runtime error"
}

@test "control: a response whose end depends on how its bytes come is found" {
  is_found client_response loses-lone-byte "does not hold"
}

@test "control: a repair that forgets what crosses the end of its buffer is found" {
  is_found recovery forgets-long-line "does not hold"
}

@test "control: a repair that cuts off damage before a visit is found" {
  is_found recovery removes-damage-before-visit "does not hold"
}

@test "control: a message that is written past its room is found" {
  is_found options writes-message-past-room "AddressSanitizer: heap-buffer-overflow"
}

@test "control: a number that is not held to its limits is found" {
  is_found options accepts-65-workers "there are 1 to 64 workers"
}
