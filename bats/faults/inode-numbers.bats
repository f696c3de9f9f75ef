# Volumes that give a file another inode number now and then: bats/tools/moody.py is a FUSE file system that gives one at
# every lookup and every stat.

load ../lib/faults

setup() {
  requires root
  [ -e /dev/fuse ] || skip_or_fail "this machine lacks FUSE"
  below=$BATS_TEST_TMPDIR/below DATA=$BATS_TEST_TMPDIR/volume
  mkdir "$below" "$DATA"
  in_background "$BATS_TEST_TMPDIR/moody.log" "$TOOLS/moody.py" "$below" "$DATA"
  try --max 100 --delay 0.1 -- grep -qx mounted "$BATS_TEST_TMPDIR/moody.log"
}

teardown() {
  stop_started
  unmount_all
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/*.log 2>/dev/null || true
}

# stats: prints how often the directory was asked for its inode number; the program does so twice a second at least.
stats() { grep -cx stat "$BATS_TEST_TMPDIR/moody.log"; }

has_looked_since() { [ "$(stats)" -ge $(($1 + 12)) ]; }

# looks_again: returns when the program has looked at the file several times.
looks_again() { try --max 200 --delay 0.1 -- has_looked_since "$(stats)"; }

# serves_calmly: visits are recorded, and the file is never taken for another one.
serves_calmly() {
  local round
  refute [ "$(stat -c %i "$DATA/visits.txt")" = "$(stat -c %i "$DATA/visits.txt")" ] || return
  for round in 1 2 3; do
    visit >/dev/null || fail "visit $round is refused: $(get /readyz 2>&1)" || return
    looks_again || return
    refute log_has 'reopened|not ready' || return
  done
  assert_equal "$(get /readyz)" ready
}

# notices_others: a file that takes the place of the program's own is noticed within seconds, even one of the same size
# and age.
notices_others() {
  start_web_app || return
  visit 3 >"$BATS_TEST_TMPDIR/acknowledged" || return
  mv "$DATA/visits.txt" "$DATA/old"
  sed 's/^2/1/' "$below/old" >"$BATS_TEST_TMPDIR/other"
  cp "$BATS_TEST_TMPDIR/other" "$below/visits.txt"
  wait_log "reopened $data/visits.txt: 3 visits" || return
  assert_equal "$(visit | jq .visit)" 4 || return
  assert_equal "$(head -n 3 "$below/visits.txt")" "$(cat "$BATS_TEST_TMPDIR/other")" || return
  cp -p "$below/visits.txt" "$DATA/copy"
  mv "$DATA/copy" "$DATA/visits.txt"
  wait_log "reopened $data/visits.txt: 4 visits" || return
  assert_equal "$(visit | jq .visit)" 5 || return
  assert_equal "$(count_visits)" 5
}

@test "on a volume whose inode numbers change all the time the file is read once, and visits are recorded" {
  start_web_app
  serves_calmly
  stop_web_app
  start_web_app
  assert log_has "\(3 so far\)"
  serves_calmly
  assert_visits 6
  stop_web_app
}

@test "another file in the place of visits.txt is noticed there too, even a copy of the same age" { notices_others; }

@test "control: a program that knows a file by its inode number alone is found out" {
  mutant trusts-inode-numbers
  start_web_app
  run serves_calmly
  assert_failure
  assert_output --partial "Stale file handle"
}

@test "control: a program that takes any file there for its own is found out" {
  mutant takes-any-file-for-its-own
  run notices_others
  assert_failure
  assert_output --partial "no line reopened"
}
