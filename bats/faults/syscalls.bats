# Each system call of the visit log is made to fail in turn; bats/tools/faults.py explains how, and what must hold then.

load ../lib/faults

# The data is in memory if possible: only failing syncs are tested here, and successful ones would take time.
setup() {
  work=$BATS_TEST_TMPDIR/work
  mkdir "$work"
  [ ! -w /dev/shm ] || work=$(mktemp -d -p /dev/shm)
}

teardown() {
  stop_started
  umount --lazy "$work/fuse" 2>/dev/null || true
  rm -rf "$work"
}

# fail_each SUITE [OPTION...]: runs that suite of faults.py, or of the tool $BY.
fail_each() {
  requires command:strace
  run timeout 600 "$TOOLS/${BY:-faults.py}" --program "$WEB_APP" --work "$work" "${@:2}" "$1" 3>&-
  echo "# ${lines[-1]}" >&3
}

# fail_each_of_several SUITE [OPTION...]: the same with several.py.
fail_each_of_several() { BY=several.py fail_each "$@"; }

# kept_all: the suite passed, and at least ten faults were met.
kept_all() {
  assert_success
  assert_output --regexp 'in all: [0-9]+ loops, [0-9]+ runs, [0-9]{2,} faults, [0-9]+ visits acknowledged, 0 wrong$'
}

# found_out REGEX: the suite failed, as it must on a mutant, with a line `wrong: REGEX`.
found_out() {
  assert_failure 1
  assert_line --regexp "^wrong: $1"
}

@test "a failed write of a visit gives 503 and not ready, and leaves nothing; then the next number follows" {
  fail_each write
  kept_all
}

@test "a short write of any length is truncated; if that fails it stays hidden, and is truncated later" {
  fail_each short
  kept_all
}

@test "a failed fdatasync gives 503 to all that wait for it and exit code 3, is never repeated, and a restart keeps all" {
  fail_each sync
  kept_all
}

@test "a failed call at the start gives a line that says so and exit code 1 or 3, or not ready until it succeeds" {
  fail_each start
  kept_all
}

@test "so does a failed call while the start copies the file, as it does on FUSE" {
  requires root command:bindfs
  mkdir "$work/below" "$work/fuse"
  bindfs "$work/below" "$work/fuse"
  work=$work/fuse fail_each copy
  umount "$work/fuse"
  kept_all
}

@test "so does a failed call while a replaced file is reopened" {
  fail_each reopen
  kept_all
}

@test "a listing with a failed read is refused or visibly aborted, never silently short" {
  fail_each listing
  kept_all
}

@test "with several workers a failed write refuses the visits of its batch and no others" {
  fail_each_of_several write
  kept_all
}

@test "with several workers a short write leaves nothing of its batch, nor of later ones while space is lacking" {
  fail_each_of_several short
  kept_all
}

@test "with several workers a failed fdatasync gives exit code 3, and the file has all acknowledged visits and no refused one" {
  fail_each_of_several sync
  assert_success
  assert_output --regexp 'in all: 3 loops, [0-9]+ runs, [0-9]+ faults, [0-9]+ visits acknowledged, 0 wrong$'
}

@test "with several workers a failed call while a replaced file is reopened has the same result as with one" {
  fail_each_of_several reopen
  kept_all
}

# fail_one_sync RUNS: see bats/tools/failed_sync.py.
fail_one_sync() {
  requires command:strace
  run timeout 600 "$TOOLS/failed_sync.py" --program "$WEB_APP" --work "$work" --runs "$1" --seed 4711 3>&-
  echo "# ${lines[-1]}" >&3
}

@test "whichever sync of several workers fails under load, the file has exactly the acknowledged visits" {
  runs=$(rounds 40 1000)
  fail_one_sync "$runs"
  assert_success
  assert_output --regexp "^seed 4711 runs $runs acknowledged [0-9]{3,} refused [0-9]{3,} wrong 0$"
}

@test "control: several workers that leave refused visits in the file are found out" {
  mutant keeps-unsynced-lines
  fail_one_sync 5
  assert_failure 1
  assert_line --regexp '^seed 4711 run [1-5]: the file has [0-9]+ lines, and [0-9]+ visits were acknowledged; '
  fail_each_of_several sync --only 'always, EIO'
  found_out 'fdatasync of several workers, --sync=always, EIO, N = [0-9]+: there are [0-9]+ lines more for '
}

@test "control: several workers that leave a partial write in the file, or append without a lock, are found out" {
  mutant leaves-partial-line
  fail_each_of_several short
  found_out 'short writes of several workers, --sync=(none|always), N = 1: there are [0-9]+ lines more for '
  mutant appends-without-lock
  fail_each_of_several write
  found_out 'write of visits of several workers, --sync=none, EIO, N, N = [0-9]+: '
}

# start_slow CALL WHEN MICROSECONDS [OPTION...]: starts the program so that those of its calls, in strace's notation, take
# so long after the line is in the file. A slow `write` of a visit holds up the event loop itself; a slow `fdatasync` holds
# up only the visits that wait for it.
start_slow() {
  requires command:strace
  local options=()
  [ "$1" != write ] || options=(--sync=none)
  IN_FRONT="strace -D -f -qq -o /dev/null -P $BATS_TEST_TMPDIR/data/visits.txt -e trace=$1 -e inject=$1:delay_exit=$3:when=$2" \
    start_web_app "${options[@]}" "${@:4}"
}

# commits_slowly CALL: a client has sent half a request. The CALL of another client's visit takes longer than the time
# limit of a request; meanwhile the first client sends the rest.
commits_slowly() {
  local half
  start_slow "$1" 1 11000000
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n' >&"$half"
  # The event loop has read it once it responds to this later request.
  get /healthz >/dev/null
  in_background "$BATS_TEST_TMPDIR/other" visit
  try --max 100 --delay 0.05 -- visits_are 1 || return
  printf '\r\n' >&"$half"
  assert_regex "$(timeout 30 cat <&"$half")" '^HTTP/1.1 200 OK' || return
  wait "$background" || return
  assert_visits 2
}

visits_are() { [ "$(count_visits)" = "$1" ]; }

@test "bytes that arrive during a write or a sync of eleven seconds are in time" {
  commits_slowly write
  rm -r "$data"
  stop_started
  commits_slowly fdatasync
}

@test "control: a program that takes a slow write for its clients' silence is found out" {
  mutant takes-slow-write-for-silence
  run commits_slowly write
  assert_failure
  assert_output --partial "HTTP/1.1 408"
}

# ends_in_time: a head that arrives byte by byte is refused, though some byte of it has arrived during every write.
ends_in_time() {
  start_slow write 1+ 100000
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 2 --seconds 30 --pipeline 64
  in_background "$BATS_TEST_TMPDIR/head" "$TOOLS/slow.py" --port "$port" --connections 1 --kind head --period 0.02
  try --max 190 --delay 0.1 -- heads_are_refused
}

heads_are_refused() { [ "$(metric 'web_app_http_requests_total{path="other",code="408"}')" = 1 ]; }

@test "slow writes give no client more than ten seconds for a head that arrives byte by byte" { ends_in_time; }

@test "control: a program that waits as long as more bytes come is found out" {
  mutant accepts-bytes-past-deadline
  run ends_in_time
  assert_failure
  assert_output --partial "gave up after 190 attempts"
}

# free_loops: new clients go to the loops that no slow write holds up.
free_loops() {
  start_slow write 1 12000000 --workers 3
  timeout 90 "$TOOLS/loops.py" held-up --port "$port" --visits "$data/visits.txt"
}

@test "clients that connect while a slow write holds up a loop do not wait for it" {
  free_loops
}

@test "control: a program that passes new clients to a held-up loop is found out" {
  mutant hands-over-to-held-up-loop
  is_found_out "timed out" free_loops
}

# refused_and_gone: when a visit gets 503 because its sync failed, its line is already removed from the file. Sets $recorded
# to the number of visits before it.
refused_and_gone() {
  requires command:strace
  local half status
  recorded=0
  IN_FRONT="strace -D -f -qq -o /dev/null -e inject=fdatasync:error=EIO:when=2" start_web_app
  # A client with half a request delays the end of the program for a moment.
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\n' >&"$half"
  # strace counts the syncs of each thread.
  while status=$(status_of /; count_visits) && [[ $status = 200* ]]; do recorded=$((recorded + 1)); done
  assert_equal "$status" "503"$'\n'"$recorded"
}

@test "a visit refused because of a failed sync is removed from the file before its 503, and its number is given again" {
  refused_and_gone
  [ "$recorded" -gt 0 ]
  local code=0
  wait "$pid" || code=$?
  assert_equal "$code" 3
  DATA=$data start_web_app
  assert_equal "$(visit | jq .visit)" $((recorded + 1))
  assert_visits $((recorded + 1))
}

@test "control: a program that leaves the line of such a visit is found out" {
  mutant keeps-unsynced-lines
  run refused_and_gone
  assert_failure
  assert_output --partial "values do not equal"
}

# crowd SCENE WHEN MICROSECONDS [OPTION...]: many clients send requests during a slow write of a visit, or a slow $call; see
# start_slow and bats/tools/crowd.py. SCENE='--others 9' sets options of the scene.
crowd() {
  start_slow "${call:-write}" "${@:2}"
  # shellcheck disable=SC2086 # SCENE has options of the scene
  run "$TOOLS/crowd.py" "$1" --port "$port" --pid "$pid" --visits "$data/visits.txt" ${SCENE:-}
  echo "# $output" >&3
}

# each_call: for a test that must hold during a slow write and during a slow sync; runs it with both as $call.
each_call() {
  for call in write fdatasync; do
    "$@"
    stop_started
    rm -r "$data"
  done
}

@test "with SIGTERM during a slow write or sync all requests sent by then get their responses, however many" {
  drains() {
    crowd drain 1..3 700000 --drain 60s
    assert_success
    wait "$pid"
    assert_visits 700
  }
  each_call drains
}

@test "at the limit no connection is evicted whose request came during a slow write" {
  crowd limit 1..2 3000000 --max-connections 60
  assert_success
  assert_visits 80
}

@test "at the limit no connection is evicted whose visit waits for a slow sync" {
  call=fdatasync crowd waiting 1 3000000 --max-connections 60
  assert_success
  assert_visits 80
}

@test "control: a program that evicts waiting visits is found out" {
  mutant evicts-waiting-visits
  call=fdatasync crowd waiting 1 3000000 --max-connections 60
  assert_failure 1
  assert_output --regexp "^acknowledged [67].* of 80 \{'(no response|ConnectionResetError)': "
}

@test "if the drain time ends during a slow write or sync, all clients in the backlog are served, however many" {
  drains() {
    crowd drain-backlog 1 3000000 --drain 100ms
    assert_success
    wait "$pid"
    assert_visits 301
  }
  each_call drains
}

@test "clients that never stop sending do not keep it from ending" {
  crowd noise 1 1 --drain 0s
  assert_success
}

@test "clients that send only empty lines, or half of one at a time, do not keep it from ending" {
  crowd noise 1 1 --drain 60s
  assert_success
  crowd halves 1 1 --drain 60s
  assert_success
}

@test "control: a program that takes empty lines for requests is found out" {
  mutant takes-empty-lines-for-requests
  crowd noise 1 1 --drain 60s
  assert_failure 1
  assert_output "it is still there after 15 s"
}

# read_on: during a slow write a client reads on in its listing, after the requests of so many others that epoll(7)
# reports those first. By then the program has seen no progress of it for longer than the write timeout, or than the time
# for which it is not evicted at the limit.
read_on() {
  old_visits 200000
  crowd reader 1 "$@"
}

# old_visits LINES: a data directory whose visits.txt has LINES old visits.
old_visits() {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n "$1" >"$BATS_TEST_TMPDIR/data/visits.txt"
}

# lingers: while a slow write holds up the program, a client sends more and still reads its last response, a short listing.
lingers() {
  old_visits 1000
  crowd lingerer 1 2500000
}

@test "a client that keeps reading a listing is closed neither by a write of eleven seconds nor, at the limit, by a short one" {
  # This build has a timeout of ten seconds for its clients' reading, so that a write of eleven is longer.
  mutant ten-second-write-timeout
  read_on 11000000
  assert_success
  stop_started
  SCENE="--others 255 --late 5" read_on 1500000 --max-connections 257
  assert_success
}

@test "control: a program that does not look at what the client has read meanwhile is found out" {
  mutant ignores-what-was-read
  read_on 11000000
  assert_failure 1
  assert_output --regexp '^only [0-9]+ bytes of 6600000 were listed|ConnectionResetError'
  stop_started
  SCENE="--others 255 --late 5" read_on 1500000 --max-connections 257
  assert_failure 1
  assert_output --regexp '^only [0-9]+ bytes of 6600000 were listed|ConnectionResetError'
}

@test "bytes after the last request of a connection do not reset it, neither before the response nor after" {
  last_bytes() {
    crowd last-bytes 1..2 1500000
    assert_success
  }
  each_call last_bytes
  lingers
  assert_success
}

@test "control: a program that closes with unread input, or lingers without reading, is found out" {
  mutant closes-with-input-unread
  crowd last-bytes 1..2 1500000
  assert_failure 1
  assert_output --partial "ConnectionResetError"
  stop_started
  mutant ends-linger-without-reading
  lingers
  assert_failure 1
  assert_output --partial "ConnectionResetError"
}

@test "control: a program that drains until all clients are silent is found out" {
  mutant drain-waits-for-silence
  crowd noise 1 1 --drain 0s
  assert_failure 1
  assert_output "it is still there after 15 s"
}

@test "control: a program that closes idle connections without a look for a request is found out" {
  mutant closes-idle-without-look
  crowd drain 1..3 700000 --drain 60s
  assert_failure 1
  assert_output --partial "ConnectionResetError"
  stop_started
  crowd limit 1..2 3000000 --max-connections 60
  assert_failure 1
  assert_output --partial "ConnectionResetError"
}

@test "control: a program that evicts half-sent requests without a look for the rest is found out" {
  mutant looks-only-at-idle
  crowd limit 1..2 3000000 --max-connections 60
  assert_failure 1
  assert_output --partial "ConnectionResetError"
}

@test "control: a drain that accepts only 64 clients of the backlog, or ends by the clock, is found out" {
  mutant drains-64-of-backlog
  crowd drain-backlog 1 3000000 --drain 100ms
  assert_failure 1
  assert_output --partial "ConnectionResetError"
  stop_started
  mutant drain-ends-by-clock
  crowd drain-backlog 1..9 3000000 --drain 100ms
  assert_failure 1
  assert_output --partial "ConnectionResetError"
}

# syncs_the_parent: the directory that holds a new data directory is synced, whatever name the data directory is given.
syncs_the_parent() {
  local name calls=$BATS_TEST_TMPDIR/calls
  requires command:strace
  mkdir "$BATS_TEST_TMPDIR/elsewhere"
  ln -s ../parent/data "$BATS_TEST_TMPDIR/elsewhere/link"
  for name in parent/data parent/data// parent/data/. parent/data/../data elsewhere/link .; do
    rm -rf "$BATS_TEST_TMPDIR/parent"
    mkdir -p "$BATS_TEST_TMPDIR/parent/data"
    [ "$name" != . ] && cd "$BATS_TEST_TMPDIR" || cd "$BATS_TEST_TMPDIR/parent/data" || return
    DATA=$name IN_FRONT="strace -D -f -y -qq -o $calls -e trace=fsync" start_web_app
    grep -q "fsync([0-9]*<$BATS_TEST_TMPDIR/parent>) *= 0" "$calls" || fail "--data-dir=$name: $(cat "$calls")" || return
    stop_web_app || return
  done
}

@test "a new data directory is made durable in its parent, whatever its name" { syncs_the_parent; }

@test "control: a program that takes the working directory for the parent is found out" {
  mutant syncs-working-directory
  run syncs_the_parent
  assert_failure
  assert_output --partial "--data-dir=parent/data: "
}

@test "control: a program that takes failed syncs for good ones is found out" {
  mutant ignores-failed-syncs
  fail_each sync --only always
  found_out 'fdatasync with --sync=always, EIO, N = 1: visit 1 was to be refused first: \[200, 200, 200, 200\]'
  # Four syncs, of one thread or two: each thread has a count of its own.
  found_out 'fdatasync with --sync=always, ENOSPC, N = [2-4]: '
  fail_each start --only 'fsync with a new directory, EIO'
  found_out 'fsync with a new directory, EIO, N = 1: it ended with 0 and not with \[3\]'
  found_out 'fsync with a new directory, EIO, N = 3: it ended with 0'
  fail_each reopen --only 'fdatasync'
  found_out 'fdatasync with three lines, EIO, N = [0-9]+: it ended with 0 and not with \[3\]'
}

@test "control: a program that does not truncate a short write is found out" {
  mutant leaves-partial-line
  fail_each short
  found_out 'short writes of every length, N = 1: '
}

@test "control: a program that leaves a copy of torn bytes at each failed attempt is found out" {
  mutant keeps-failed-torn-copies
  fail_each start --only 'ftruncate with a torn line, EIO for a while'
  found_out 'ftruncate with a torn line, EIO for a while, N = 1: there are [0-9]+ copies'
}

@test "control: a program whose listing ends where a read failed is found out" {
  mutant listing-ends-at-failed-read
  fail_each listing --only 'pread64 of a listing, EIO'
  found_out 'pread64 of a listing, EIO, N = [0-9]+: /visits\?format=text(&tail=2)? is 200 '
}

@test "control: a program that repeats a failed sync, and one that acknowledges a failed write, are found out" {
  mutant retries-failed-sync
  fail_each sync --only 'always, EIO'
  found_out 'fdatasync with --sync=always, EIO, N = 1: '
  mutant acknowledges-failed-write
  fail_each write --only 'write of a visit, ENOSPC'
  found_out 'write of a visit, ENOSPC, N = 1: '
}
