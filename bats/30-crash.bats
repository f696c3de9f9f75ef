# kill -9 at random moments, hundreds of times: the next start finds every answered visit.
# shellcheck disable=SC2030,SC2031,SC2154 # a test is a subshell

load faults

# crash SYNC ROUNDS [SEED]: see bats/tools/crash.py.
crash() {
  mkdir -p "$BATS_TEST_TMPDIR/work"
  "$TOOLS/crash.py" --program "$WEB_APP" --data "$BATS_TEST_TMPDIR/data" --work "$BATS_TEST_TMPDIR/work" \
    --rounds "$2" ${3:+--seed "$3"} -- --sync "$1" 3>&-
}

# kept_all ROUNDS: the output of crash says that it went through, and how much was at stake.
kept_all() {
  echo "# $output" >&3
  assert_success
  assert_output --regexp "^seed [0-9]+ rounds $1 answered [0-9]{3,} lines [0-9]+$"
}

@test "kill -9 under load or at the start, with --sync=always: no answered visit is lost, no number given twice" {
  rounds=$(often 100 2500)
  run crash always "$rounds"
  kept_all "$rounds"
}

@test "the same with --sync=none: what was written before the answer outlives the process" {
  rounds=$(often 100 2500)
  run crash none "$rounds"
  kept_all "$rounds"
}

@test "control: a program that keeps its lines in a buffer, as stdio does, is found out" {
  broken_program buffering visits.c '
    /^static bool (is_as_long_as_left|ends_at)/,/^}/ s/return .*;/return true;/
    s/if \(write_all\(visits->file->file, data, size, &visits->tail\) == 0\)/if (buffered_write(visits->file->file, data, size) == 0)/
    /^\/\* Writes a tail of SIZE bytes/i \
    static int buffered_write(int file, const char *data, size_t size) { \
        static char buffer[1 << 20]; static size_t used; \
        memcpy(buffer + used, data, size); used += size; \
        if (used < 4096) return 0; \
        size_t all = used; used = 0; \
        return write_all(file, buffer, all, NULL); \
    }'
  run crash none 10
  echo "# $output" >&3
  assert_failure 1
  assert_output --partial "answered visits are lost"
}

@test "control: a program that takes up counting one too low is found out" {
  broken_program miscounting visits.c 's/visits->count = opened.found.count;/visits->count = opened.found.count - (opened.found.count > 0);/'
  run crash none 10
  assert_failure 1
}
