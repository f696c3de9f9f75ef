# Volumes that run full or turn read-only: visits are refused, none is lost, and the program becomes ready by itself.

load ../lib/faults

setup() { requires root; }

teardown() {
  stop_started
  unmount_all
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

FULL="No space left on device"

ready_is() { [ "$(curl -sS "http://127.0.0.1:$admin_port/readyz")" = "$1" ]; }
wait_ready_is() { try --max 50 --delay 0.1 -- ready_is "$1" || fail "readyz is not: $1"; }

# fill: takes all free space of the volume.
fill() {
  local left
  left=$(($(stat -f -c '%a * %S' "$volume")))
  [ "$left" -lt 1048576 ] || fallocate -l $((left - 524288)) "$volume/ballast" 2>/dev/null || true
  dd if=/dev/zero bs=4k of="$volume/rest" conv=fsync status=none 2>/dev/null || true
  # ext4 reserves more for unwritten data than it needs, so after the sync there may be space again.
  while dd if=/dev/zero bs=4k count=1 of="$volume/rest" oflag=append conv=notrunc,fsync status=none 2>/dev/null; do :; done
}

free_up() { rm -f "$volume/ballast" "$volume/rest"; }

refused_by_load() { awk '{ print $4 }' "$BATS_TEST_TMPDIR/summary"; }

acknowledged_are() { [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -ge "$1" ]; }

# end_load: ends the load, and asserts that each visit was acknowledged or refused, and that the file holds the
# acknowledged ones and no others.
end_load() {
  kill "$background"
  wait "$background"
  echo "# $(cat "$BATS_TEST_TMPDIR/summary")" >&3
  assert_regex "$(cat "$BATS_TEST_TMPDIR/summary")" '^acknowledged [0-9]+ refused [1-9][0-9]* errors 0 unanswered 0$' || return
  assert_recorded "$BATS_TEST_TMPDIR/out" || return
  assert_visits "$(wc -l <"$BATS_TEST_TMPDIR/out")"
}

# visit_is_refused: fills the volume again, since a file system may free a page after it was full (xfs does), and visits. A
# visit that was acknowledged all the same is noted.
visit_is_refused() {
  local response=$BATS_TEST_TMPDIR/response code
  fill
  code=$(curl -sS -o "$response" -w '%{http_code}' --max-time 20 -H 'Accept: application/json' "http://127.0.0.1:$port/")
  [ "$code" != 200 ] || jq -r '"\(.visit)\t\(.time)"' "$response" >>"$BATS_TEST_TMPDIR/out"
  assert_equal "$code" 503
}

# runs_full FILE-SYSTEM SIZE: three times the volume runs full under load and gets space again. Returns at the first
# failure, for the control.
runs_full() {
  volume "$1" "$2"
  DATA=$volume/data start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 8 --seconds 120
  for _ in 1 2 3; do
    fill
    wait_ready_is "not ready: $FULL" || return
    try --max 20 -- visit_is_refused || return
    assert_equal "$(admin /healthz)" ok || return
    free_up
    wait_ready_is ready || return
    visit | jq -r '"\(.visit)\t\(.time)"' >>"$BATS_TEST_TMPDIR/out" || return
  done
  ! log_has '^web-app: reopened ' || fail "a partial write was still there later" || return
  end_load || return
  wait_log "^web-app: cannot write $data/visits.txt: $FULL; not ready, retrying$" || return
  wait_log "^web-app: ready again: $data/visits.txt is writable; [0-9]+ visits got 503 meanwhile$" || return
  # Those of the load, and one for each round.
  assert_equal "$(metric 'web_app_visit_errors_total{reason="no_space"}')" $(($(refused_by_load) + 3)) || return
  stop_web_app
}

@test "on a full tmpfs of 1 MiB: 503, not ready, alive; ready by itself when there is space" { runs_full tmpfs 1M; }

@test "the same on ext4" {
  requires_loop_devices
  runs_full ext4 32M
}

@test "the same on xfs" {
  requires_loop_devices
  requires command:mkfs.xfs
  runs_full xfs 320M
}

@test "the same on btrfs" {
  requires_loop_devices
  requires command:mkfs.btrfs
  runs_full btrfs 128M
}

recovers_alone() {
  volume tmpfs 1M
  DATA=$volume/data start_web_app
  fill
  # The last page of the file still has room for some visits.
  refused() { [ "$(status_of /)" = 503 ]; }
  try --max 200 --delay 0 -- refused
  free_up
  wait_ready_is ready
}

@test "it notices free space by itself, without a visit that is refused first" { recovers_alone; }

@test "visits alone fill a volume to its last byte, and none is lost" {
  volume tmpfs 256k
  DATA=$volume/data start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 8 --seconds 120
  wait_ready_is "not ready: $FULL"
  end_load
  stop_web_app
}

@test "at the limit of a file's size visits are refused as on a full volume, and SIGXFSZ does not end it" {
  local before
  requires command:prlimit
  start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 8 --seconds 120
  try --max 400 --delay 0.02 -- acknowledged_are 200
  # The limit is in the middle of a line, so that there is a partial write to truncate.
  prlimit --pid "$pid" --fsize=$(($(count_visits) * 33 + 33 * 1000 + 7)):unlimited
  wait_ready_is "not ready: File too large"
  assert_equal "$(admin /healthz)" ok
  wait_log "^web-app: cannot write $data/visits.txt: File too large; not ready, retrying$"
  before=$(wc -l <"$BATS_TEST_TMPDIR/out")
  prlimit --pid "$pid" --fsize=unlimited:unlimited
  wait_ready_is ready
  try --max 400 --delay 0.02 -- acknowledged_are $((before + 100))
  end_load
  assert_equal "$(metric 'web_app_visit_errors_total{reason="no_space"}')" "$(refused_by_load)"
  stop_web_app
}

@test "on a full volume a torn line stays in the file until there is space for its copy" {
  local line="2022-11-28 22:54:26.913511+03:00"
  volume tmpfs 1M
  mkdir "$volume/data"
  printf '%s\n%s' "$line" "2022-11-28 22:5" >"$volume/data/visits.txt"
  fill
  DATA=$volume/data start_web_app
  assert log_has "^web-app: cannot write $data/visits.txt: $FULL; not ready, retrying$"
  wait_ready_is "not ready: $FULL"
  assert_equal "$(status_of /)" 503
  assert_equal "$(cat "$data/visits.txt")" "$line"$'\n'"2022-11-28 22:5"
  assert_equal "$(ls "$data")" visits.txt
  free_up
  wait_ready_is ready
  assert_equal "$(visit | jq .visit)" 2
  assert_visits 2
  assert_equal "$(cat "$data"/visits.txt.torn-*)" "2022-11-28 22:5"
}

# hole_at_the_end: a file that ends in a hole, as a power loss or an operator's truncate may leave it.
hole_at_the_end() {
  local line="2022-11-28 22:54:26.913511+03:00"
  volume tmpfs 1M
  mkdir "$volume/data"
  printf '%s\n' "$line" >"$volume/data/visits.txt"
  truncate -s 200M "$volume/data/visits.txt"
  DATA=$volume/data start_web_app
  ready_is ready || fail "it is not ready: $(cat "$log")" || return
  assert_equal "$(visit | jq .visit)" 2 || return
  assert_visits 2 || return
  assert_equal "$(stat -c %s "$data"/visits.txt.torn-*)" $((200 * 1024 * 1024 - 33))
}

@test "a hole at the end that is larger than the volume is removed, and its copy is a hole too" { hole_at_the_end; }

@test "control: a program that writes out the NULs of the hole is found out" {
  mutant fills-up-hole
  run hole_at_the_end
  assert_failure
  assert_output --partial "it is not ready"
}

# limit_file BYTES: how long a file of the program may become, as on a disk that is full.
limit_file() { prlimit --pid "$pid" --fsize="$1:unlimited"; }

file_size_is() { assert_equal "$(stat -c %s "$data/visits.txt")" "$1"; }

# append_only FILE-SYSTEM SIZE: visits are refused while visits.txt is append-only: once without a byte of them, and once
# with some that cannot be removed again.
append_only() {
  requires_loop_devices || return
  requires command:chattr "command:mkfs.$1" || return
  volume "$1" "$2"
  DATA=$volume/data start_web_app
  visit >/dev/null
  chattr +a "$data/visits.txt"
  limit_file 33
  assert_equal "$(status_of /)" 503 || return
  limit_file unlimited
  wait_ready_is ready || return
  file_size_is 33 || return
  visit >/dev/null || return
  limit_file 71
  assert_equal "$(status_of /)" 503 || return
  limit_file unlimited
  wait_log "^web-app: cannot write $data/visits.txt: it is append-only; remove that with chattr -a$" || return
  wait_ready_is "not ready: Operation not permitted" || return
  file_size_is 71 || return
  chattr -a "$data/visits.txt"
  wait_ready_is ready || return
  assert_equal "$(visit | jq .visit)" 3 || return
  stop_web_app || return
  assert_visits 3
}

@test "a file that is append-only is served; if a partial write has to go, a line names the attribute" {
  append_only ext4 32M
  append_only xfs 320M
}

@test "control: a program that probes with bytes in the file is found out" {
  mutant probes-in-the-file
  run append_only ext4 32M
  assert_failure
  assert_output --partial "readyz is not: ready"
}

# refused_by_attribute COMPLAINT
refused_by_attribute() {
  run --separate-stderr web_app serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  assert_complaint 1 "$1"
}

@test "an attribute that keeps even root from writing is named, for the file and for the directory" {
  local line="2022-11-28 22:54:26.913511+03:00"
  requires_loop_devices
  requires command:chattr
  volume ext4 32M
  DATA=$volume/data start_web_app
  visit >/dev/null
  chattr +i "$data/visits.txt"
  assert_equal "$(status_of /)" 503
  wait_log "^web-app: cannot write $data/visits.txt: it is immutable; remove that with chattr -i$"
  wait_ready_is "not ready: Operation not permitted"
  chattr -i "$data/visits.txt"
  wait_ready_is ready
  stop_web_app
  printf '%s\n%s' "$line" "2022-11-28 22:5" >"$data/visits.txt"
  chattr +a "$data/visits.txt"
  refused_by_attribute "cannot write $data/visits.txt: it is append-only; remove that with chattr -a$"
  assert_equal "$(cat "$data/visits.txt")" "$line"$'\n'"2022-11-28 22:5"
  assert_equal "$(ls "$data")" visits.txt$'\n'visits.txt.durable
  chattr -a "$data/visits.txt"
  rm "$data"/*
  chattr +i "$data"
  refused_by_attribute "cannot write $data/: it is immutable; remove that with chattr -i$"
  chattr -i "$data"
}

@test "if ext4 turns read-only after an error, it is not ready or exits with 3, and visits acknowledged before are kept" {
  requires_loop_devices
  volume ext4 32M
  DATA=$volume/data start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 8 --seconds 60
  try --max 400 --delay 0.02 -- acknowledged_are 200
  cp "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/before"
  mount -o remount,abort "$volume" || true
  gave_up() { ! kill -0 "$pid" 2>/dev/null || curl -sS "http://127.0.0.1:$admin_port/readyz" | grep -q '^not ready: '; }
  try --max 100 --delay 0.1 -- gave_up
  end_visitor
  # The program logs its state once a second.
  wait_log "^web-app: (cannot write|fdatasync of) $data/visits.txt"
  status=0
  stop_web_app 2>/dev/null || status=$?
  assert_regex "$status" '^[03]$'
  assert log_has "^web-app: (cannot write|fdatasync of) $data/visits.txt"
  umount "$volume"
  mount -o loop "$volume.img" "$volume"
  DATA=$data start_web_app
  assert_recorded_before "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/out" 8
  visit
}

@test "control: a program that leaves a partial write on a full volume is found out" {
  mutant leaves-partial-line
  run runs_full tmpfs 1M
  assert_failure
  assert_output --regexp "was still there later|is in the file as|actual +: [0-9]+ lines"
}

@test "control: a program that notices free space only by a visit is found out" {
  mutant never-probes
  run recovers_alone
  assert_failure
  assert_output --partial "readyz is not: ready"
}
