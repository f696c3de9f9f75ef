# Input made by libFuzzer: the bytes of a connection, the bytes of a response, files of visits, options, ledgers, and visits
# with the file that they are compared with. What each target demands of the program is in app/test/fuzz.

load ../lib/mutants

# All targets run at once; the tests look at the results.
setup_file() {
  local target running=()
  build_as build_fuzz
  for target in request client_response recovery options ledger comparison member; do
    fuzz_in_background "$target" >"$BATS_FILE_TMPDIR/$target.output" 2>&1 </dev/null 3>&- &
    running+=($!)
  done
  for target in "${running[@]}"; do wait "$target"; done
}

# fuzz_in_background TARGET: fuzzes for fuzz_seconds; the exit code goes to the file TARGET.code.
fuzz_in_background() {
  local code=0
  fuzz "$BUILD/fuzz/$1" "$1" -max_total_time="$(fuzz_seconds)" || code=$?
  echo "$code" >"$BATS_FILE_TMPDIR/$1.code"
}

# fuzz_seconds: prints the seconds for each target.
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

# fuzz PROGRAM TARGET [OPTION...]: tries the committed corpus, then inputs derived from it, in time that other tests leave.
# An input that crashes the program is saved in build/fuzz/crashes.
fuzz() {
  local program=$1 target=$2 directory memory code=0
  shift 2
  directory=$(scratch)/$target
  memory=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || scratch)")
  mkdir -p "$directory" "$BUILD/fuzz/crashes"
  # With a clean environment, so that an input always means the same.
  (cd "$memory" && exec env -i PATH="$PATH" TMPDIR="$memory" ASAN_OPTIONS=detect_leaks=1 \
    nice "$program" -max_len=2048 -timeout=20 -rss_limit_mb=1024 -use_value_profile=1 -print_final_stats=1 \
    -artifact_prefix="$BUILD/fuzz/crashes/$target-" "$@" "$directory" "$ROOT/app/test/fuzz/corpus/$target") 2>&1 || code=$?
  rm -rf "$memory"
  return "$code"
}

# withstands TARGET: the fuzzer found nothing, with at least 500 inputs.
withstands() {
  local output=$BATS_FILE_TMPDIR/$1.output tried
  [ "$(cat "$BATS_FILE_TMPDIR/$1.code")" = 0 ] || fail "$(tail -n 40 "$output")"
  tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$output")
  [ "${tried:-0}" -ge 500 ] || fail "only ${tried:-no} inputs were tried"
  echo "# $1: $tried inputs in $(fuzz_seconds) s" >&3
}

# is_found TARGET MUTANT REPORT: the fuzzer finds the bug of MUTANT within five minutes, with REPORT.
is_found() {
  fuzz_targets=$1 mutant "$2" fuzz
  run fuzz "$MUTANT/$1" "$1" -max_total_time=300 -artifact_prefix="$BATS_TEST_TMPDIR/"
  assert_failure
  grep -qE "$3" <<<"$output" || fail "$(tail -n 40 <<<"$output")"
}

@test "no bytes on a connection make the parsers read past their end, or accept what RFC 9112 forbids" {
  withstands request
}

@test "no response is read past its end, framed other than by RFC 9112, or read differently in other pieces" {
  withstands client_response
}

@test "no repair of a file loses a line that may be a visit, or any byte" {
  withstands recovery
}

@test "no options, environment or time zone are misread" {
  withstands options
}

@test "no ledger is read past a line's end, written other than it was read, or adds up to anything but its lines" {
  withstands ledger
}

@test "no visits and file are counted other than one by one, or differently in other pieces" {
  withstands comparison
}

@test "no member of a JSON body is read past its end, or is not in it" {
  withstands member
}

@test "control: a parser that looks for a colon past the end of its line is found out" {
  is_found request seeks-colon-past-end "AddressSanitizer|does not hold"
}

@test "control: a parser that accepts a bare LF is found out" {
  is_found request accepts-bare-lf "no bare LF is accepted"
}

@test "control: a parser that accepts a Transfer-Encoding is found out" {
  is_found request accepts-transfer-encoding "no coding is accepted but one"
}

@test "control: a client that accepts a response framed in two ways is found out" {
  is_found client_response accepts-two-framings "no response is framed in two ways"
}

@test "control: a client that copies a body past the end of its buffer is found out" {
  is_found client_response copies-body-past-room "AddressSanitizer|runtime error"
}

@test "control: a client whose result depends on the pieces of a response is found out" {
  is_found client_response loses-lone-byte "does not hold"
}

@test "control: a repair that forgets a line across the end of its buffer is found out" {
  is_found recovery forgets-long-line "does not hold"
}

@test "control: a repair that truncates damage before a visit is found out" {
  is_found recovery removes-damage-before-visit "does not hold"
}

@test "control: a message that is written past the end of its buffer is found out" {
  is_found options writes-message-past-room "AddressSanitizer: heap-buffer-overflow"
}

@test "control: an option that accepts a number past its limit is found out" {
  is_found options accepts-65-workers "there are 1 to 64 workers"
}

@test "control: evidence that forgets a visit under way when the prover ends is found out" {
  is_found ledger forgets-visits-under-way "does not hold|timeout"
}

@test "control: a checker that counts a line twice when it comes in pieces is found out" {
  is_found comparison counts-pieces-as-lines "does not hold"
}

@test "control: a reader of JSON that takes a string without its end is found out" {
  is_found member reads-past-body "AddressSanitizer|does not hold"
}
