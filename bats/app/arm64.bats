# The program for arm64, by QEMU's emulation of that processor. `./build.sh test app` runs more files of this suite on it:
# those whose truth does not depend on time, on the emulator's own process, or on what it does not emulate (EMULATED in
# bats/run.sh).

load ../lib/common

setup() {
  WEB_APP=$BUILD/arm64/emulated
  [ -x "$WEB_APP" ] || skip_or_fail "this machine does not compile for arm64"
}

@test "its unit tests pass" {
  # In memory, as `./build.sh unit` does: on a disk some would find out what the disk knows.
  local memory
  memory=$(mktemp -d -p /dev/shm)
  TMPDIR=$memory run timeout 300 qemu-aarch64-static "$BUILD/arm64/unit"
  rm -rf "$memory"
  assert_success
  refute_line --regexp '^not ok'
  assert_line --regexp '^1\.\.[0-9]{3}'
}

@test "it serves over many connections, syncs and drains" {
  start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --requests 100000
  acknowledged() { [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -ge 500 ]; }
  try --max 200 --delay 0.1 -- acknowledged
  [ "$(metric web_app_sync_duration_seconds_count)" -ge 10 ]
  stop_web_app
  wait_log 'stopped with [0-9]+ visits recorded'
  wait "$background" || true
  assert_recorded "$BATS_TEST_TMPDIR/out"
  assert_visits "$(sed -n 's/.*stopped with \([0-9]*\) visits.*/\1/p' "$log")"
}

@test "what it acknowledged survives kill -9" {
  start_web_app
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --requests 100000
  acknowledged() { [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -ge 500 ]; }
  try --max 200 --delay 0.1 -- acknowledged
  stop_web_app KILL || true
  wait "$background" || true
  DATA=$data start_web_app
  assert_recorded "$BATS_TEST_TMPDIR/out"
}

# calls: prints the system calls that the emulator has seen since each run of this test gave up the others.
calls() {
  local one
  for one in "$(scratch)"/web-app.*.log; do sed '1,/no seccomp here/d' "$one"; done | grep -oE '^[0-9]+ [a-z_0-9]+\(' | sed -E 's/^[0-9]+ //; s/\($//' | sort -u
}

# allowed: prints the system calls that the sandbox allows on a machine without the older ones.
allowed() { sed '/^#ifdef SYS_open/,/^#else/d' "$ROOT/app/sandbox.c" | grep -oE '\{SYS_[a-z0-9_]+' | sed 's/.*SYS_//' | sort -u; }

@test "all system calls of serving are in the table of app/sandbox.c, which the emulator itself does not enforce" {
  # arm64 lacks the older calls, such as open(2), and musl makes others there.
  WEB_APP_SANDBOX=auto IN_FRONT="qemu-aarch64-static -strace" WEB_APP=$BUILD/arm64/web-app start_web_app
  visit 3
  get '/visits?tail=2' >/dev/null
  admin /metrics >/dev/null
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  cp "$data/visits.txt" "$data/other" && mv "$data/other" "$data/visits.txt"
  kill -HUP "$pid"
  wait_log 'reopened'
  exec {half}>&-
  stop_web_app
  printf 'torn' >>"$data/visits.txt"
  DATA=$data WEB_APP_SANDBOX=auto IN_FRONT="qemu-aarch64-static -strace" WEB_APP=$BUILD/arm64/web-app start_web_app
  wait_log 'truncated'
  visit
  stop_web_app
  # Four visits, one after another.
  [ "$(cat "$(scratch)"/web-app.*.log | grep -c 'fdatasync(')" -ge 4 ] || fail "it has not synced each visit"
  [ "$(calls | wc -l)" -ge 20 ] || fail "too few calls: $(calls)"
  assert_equal "$(comm -23 <(calls) <(allowed))" ""
}
