# The program and its tests under the address and undefined-behaviour sanitizers, and again under the thread sanitizer.
# shellcheck disable=SC2034,SC2120 # variables and functions are used by name

load ../lib/mutants

LINE="2022-11-28 22:54:26.913511+03:00"

setup_file() {
  build_as build_sanitized
  build_as build_thread_sanitized
}

setup() {
  export ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1:detect_leaks=1
  export UBSAN_OPTIONS=print_stacktrace=1
  export TSAN_OPTIONS=second_deadlock_stack=1
}

# thread_sanitizer: prints the command that must start a program with this sanitizer, if any. With more address
# randomization than it expects, it cannot place its memory.
thread_sanitizer() {
  [ "$(sysctl -n vm.mmap_rnd_bits)" -le 28 ] || echo "setarch -R"
}

# until_stopped COMMAND...: repeats it until the file `stop` exists.
until_stopped() {
  until [ -e "$BATS_TEST_TMPDIR/stop" ]; do "$@" || true; done
}

scrape() { admin /metrics && admin /readyz && get '/visits?format=json&tail=100' && get /visits && get / && get /none; }

# read_slowly: 20 clients that stop reading the listing, 20 with slow heads, and 4 that read the listing at a low rate.
read_slowly() {
  local kind
  for kind in reader head; do
    in_background "$BATS_TEST_TMPDIR/$kind" "$TOOLS/slow.py" --port "$port" --connections 20 --kind "$kind"
  done
  for _ in 1 2 3 4; do
    in_background /dev/null curl -sS -o /dev/null --limit-rate 500K "http://127.0.0.1:$port/visits?format=html"
  done
}

malformed() {
  "$TOOLS/raw.py" --port "$port" "$@" --table <<'EOF'
400 closed GET / HTTP/1.1\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n
400 closed GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n
405 closed POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc
413 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc
414 closed GET /{9000*a} HTTP/1.1\r\nHost: a\r\n\r\n
431 closed GET / HTTP/1.1\r\nHost: a\r\nX: {9000*x}\r\n\r\n
505 closed GET / HTTP/2.0\r\nHost: a\r\n\r\n
200,200 open GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /version HTTP/1.1\r\nHost: a\r\n\r\n
EOF
}

has_reopened() { log_has "^web-app: reopened $data/visits.txt: "; }

# replace_file: replaces visits.txt under load, as an operator would. The old file stays as `before`.
replace_file() {
  ln "$data/visits.txt" "$data/before"
  printf '%s\n' "$LINE" "$LINE" "$LINE" >"$data/new"
  mv "$data/new" "$data/visits.txt"
  try --max 400 --delay 0.05 -- has_reopened
}

# drive: makes the program do everything at the same time, until SIGTERM under load. Fails unless the program exits
# with 0, loses no visit, and logs only its own lines.
drive() {
  data=$BATS_TEST_TMPDIR/data out=$BATS_TEST_TMPDIR/out status=0
  mkdir -p "$data"
  yes "$LINE" | head -n 30000 >"$data/visits.txt"
  DATA=$data start_web_app --workers 4 --drain 3s || return
  in_background /dev/null until_stopped scrape
  in_background /dev/null until_stopped scrape
  read_slowly
  in_background /dev/null "$TOOLS/visitor.py" --url "http://127.0.0.1:$port/" --out "$out.each" --connections 8 --seconds 60 --close
  visitor_in_background "$out" --connections 32 --seconds 60 --until-close
  local visitors=$background
  in_background "$BATS_TEST_TMPDIR/split" malformed --split
  local split=$background
  malformed || return
  replace_file || return
  malformed || return
  wait "$split" || fail "$(cat "$BATS_TEST_TMPDIR/split")" || return
  more_visits() { [ "$(count_visits)" -ge 300 ]; }
  try --max 400 --delay 0.05 -- more_visits || return
  kill "$pid"
  wait "$pid" || status=$?
  touch "$BATS_TEST_TMPDIR/stop"
  wait "$visitors" || status="$status, that of the visitors $?"
  assert_equal "exit code $status" "exit code 0" || return
  assert_equal "$(grep -v '^web-app: ' "$log")" "" || return
  assert_regex "$(cat "$BATS_TEST_TMPDIR/summary")" '^acknowledged [0-9]+ refused 0 errors 0 unanswered 0$' || return
  assert_kept
}

# assert_kept: each acknowledged visit is in the old file or in the new one.
assert_kept() {
  run awk -F '\t' '
    FILENAME != ARGV[3] { line[FILENAME, FNR] = $0; next }
    line[ARGV[1], $1] != $2 && line[ARGV[2], $1] != $2 { print "visit", $1, "of", $2, "is in neither file"; wrong++ }
    { acknowledged++ }
    END { exit wrong > 0 || acknowledged < 300 }' "$data/before" "$data/visits.txt" "$out"
  assert_success || return
  local wrong
  wrong=$(cat "$data/before" "$data/visits.txt" | grep -cvxE -- "$TIMESTAMP_SHAPE") || true
  assert_equal "$wrong damaged lines" "0 damaged lines"
}

# finds BUILD MUTANT REPORT: on MUTANT, drive fails with REPORT.
finds() {
  mutant "$2" "$1"
  run drive_alone
  assert_failure
  assert_output --partial "$3"
  refute_output --partial "BUG:"
  # These reports are wanted; teardown must not find them.
  rm "$BATS_TEST_TMPDIR"/web-app.*.log
}

# drive_alone: drive, and then ends what it started, because `run` makes it a subshell.
drive_alone() {
  local result=0
  drive || result=$?
  stop_started
  cat "$BATS_TEST_TMPDIR"/web-app.*.log
  return "$result"
}

# suite_passes PROGRAM [FILE...]: the tests of visits, HTTP, signals, check, event loops and these files of app pass with
# PROGRAM, and no sanitizer reports anything. Without their controls, whose names begin with "control": those run programs of
# their own.
suite_passes() {
  local files=("$ROOT"/bats/app/{visits,http,signals,check,workers}.bats "${@:2}") result=0 reports=$BATS_TEST_TMPDIR/report
  [ "${LONG:-}" != 1 ] || files+=("$ROOT"/bats/app/{slow,data-directory}.bats)
  # Without the environment of the outer bats.
  env -i PATH="$PATH" HOME="${HOME:-/}" LANG="${LANG:-C.UTF-8}" CI="${CI:-}" WEB_APP="$1" \
    ASAN_OPTIONS="$ASAN_OPTIONS:log_path=$reports" UBSAN_OPTIONS="$UBSAN_OPTIONS:log_path=$reports" \
    TSAN_OPTIONS="$TSAN_OPTIONS:log_path=$reports" \
    "$BUILD/tools/bats/usr/bin/bats" --jobs 3 --no-parallelize-within-files --formatter tap --filter '^([^c]|c[^o])' \
    "${files[@]}" >"$BATS_TEST_TMPDIR/tap" 2>&1 </dev/null 3>&- || result=$?
  cat "$reports"* 2>/dev/null && fail "there are reports"
  [ "$result" = 0 ] || fail "$(grep -A 12 '^not ok' "$BATS_TEST_TMPDIR/tap")"
  assert_equal "$(grep -c '^ok' "$BATS_TEST_TMPDIR/tap")" "$(sed -n 's/^1\.\.//p' "$BATS_TEST_TMPDIR/tap")"
}

@test "under ASan and UBSan load, slow readers, wrong requests, a replaced file and SIGTERM at once give no report" {
  WEB_APP=$BUILD/sanitized/web-app
  drive
}

@test "under TSan they give none either" {
  WEB_APP=$BUILD/thread-sanitized/web-app
  IN_FRONT=$(thread_sanitizer) drive
}

@test "control: a heap overflow by one byte is reported" {
  finds sanitized overflows-input-by-one "AddressSanitizer: heap-buffer-overflow"
}

@test "control: a signed overflow is reported" {
  finds sanitized overflows-clock "runtime error: signed integer overflow"
}

@test "control: a leak is reported" {
  finds sanitized leaks-input "LeakSanitizer: detected memory leaks"
}

@test "control: a data race that loses no visit is reported" {
  IN_FRONT=$(thread_sanitizer) finds thread-sanitized counts-visits-without-lock "ThreadSanitizer: data race"
}

@test "control: connections that are passed between event loops without a lock are reported" {
  IN_FRONT=$(thread_sanitizer) finds thread-sanitized takes-connections-without-lock "ThreadSanitizer: data race"
}

@test "the suite passes under ASan and UBSan" {
  suite_passes "$BUILD/sanitized/web-app" "$ROOT/bats/app/options.bats"
}

# Options are read before there is a second thread.
@test "the suite passes under TSan" {
  local program=$BUILD/thread-sanitized/web-app
  if [ -n "$(thread_sanitizer)" ]; then
    printf '#!/bin/sh\nexec %s %s "$@"\n' "$(thread_sanitizer)" "'$program'" >"$BATS_TEST_TMPDIR/web-app"
    chmod +x "$BATS_TEST_TMPDIR/web-app"
    program=$BATS_TEST_TMPDIR/web-app
  fi
  suite_passes "$program"
}
