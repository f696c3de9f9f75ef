# kill -9 at random moments, hundreds of times: the next start finds every acknowledged visit.

load ../lib/faults

# crash SYNC WORKERS ROUNDS: see bats/tools/crash.py.
crash() {
  mkdir -p "$BATS_TEST_TMPDIR/work"
  "$TOOLS/crash.py" --program "$WEB_APP" --data "$BATS_TEST_TMPDIR/data" --work "$BATS_TEST_TMPDIR/work" \
    --workers "$2" --rounds "$3" -- --sync "$1" 3>&-
}

# keeps_all SYNC WORKERS: no round loses a visit; prints how many were acknowledged.
keeps_all() {
  local rounds
  rounds=$(rounds 60 1500)
  run crash "$1" "$2" "$rounds"
  echo "# $output" >&3
  assert_success
  assert_output --regexp "^seed [0-9]+ rounds $rounds acknowledged [0-9]{3,} lines [0-9]+$"
}

@test "kill -9 under load or at the start, with --sync=always: no acknowledged visit is lost, no number given twice" {
  keeps_all always 1
}

@test "the same with four workers" { keeps_all always 4; }

@test "the same with --sync=none: a line that was written before its acknowledgement outlives the process" { keeps_all none 1; }

@test "the same with --sync=none and four workers" { keeps_all none 4; }

@test "control: a program that keeps its lines in a buffer, as stdio does, is found out" {
  mutant buffers-lines
  run crash none 1 10
  echo "# $output" >&3
  assert_failure 1
  assert_output --partial "acknowledged visits are lost"
}

@test "control: a program that starts to count one too low is found out" {
  mutant counts-one-too-low
  run crash none 1 10
  assert_failure 1
}

@test "control: workers that append without a lock are found out" {
  mutant appends-without-lock
  run crash none 4 10
  echo "# ${output:0:120}" >&3
  assert_failure 1
  assert_output --regexp "round [0-9]+: (number .* was given twice|[0-9]+ of [0-9]+ acknowledged visits are lost|line [0-9]+ of )"
}
