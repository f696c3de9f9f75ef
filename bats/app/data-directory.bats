# Data directories as an operator may leave them, and changes to one while the program runs.

load ../lib/common

LINE="2022-11-28 22:54:26.913511+03:00"

setup() { mounts=() open_directories=(); }

teardown() {
  stop_started
  local one
  for one in "${mounts[@]}"; do umount "$one"; done
  for one in "${open_directories[@]}"; do rm -rf "$one"; done
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# refuses_directory REGEX: serving $data, the program ends at once with exit code 1 and one line that matches.
refuses_directory() {
  run --separate-stderr web_app serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  assert_complaint 1 "$1"
}

# open_directory: sets $open to a directory that every user may enter; the tests' own directories are for root alone.
open_directory() {
  open=$(mktemp -d)
  open_directories+=("$open")
  chmod 755 "$open"
}

# data_for_other_users: an empty $data, and a copy of the program that every user may run.
data_for_other_users() {
  requires root command:setpriv || return
  open_directory
  data=$open/data
  mkdir "$data"
  cp "$WEB_APP" "$open/web-app"
  WEB_APP=$open/web-app
}

# as_nobody COMMAND...: runs it without any of root's privileges.
as_nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all "$@"; }

ready_is() { [ "$(curl -sS "http://127.0.0.1:$admin_port/readyz")" = "$1" ]; }
wait_ready() { try --max 100 --delay 0.1 -- ready_is ready; }

@test "a missing directory is created, unless its parent is missing too" {
  start_web_app
  assert [ -f "$data/visits.txt" ]
  data=$BATS_TEST_TMPDIR/no/such
  refuses_directory "cannot create $data: its parent directory does not exist$"
}

@test "a visits.txt that is a directory, a FIFO, a device or a symbolic link is refused with a remedy" {
  data=$BATS_TEST_TMPDIR/data
  mkdir -p "$data/visits.txt"
  refuses_directory "$data/visits.txt is not a regular file; move it away, or name another --data-dir$"
  rmdir "$data/visits.txt"
  mkfifo "$data/visits.txt"
  refuses_directory "$data/visits.txt is not a regular file"
  rm "$data/visits.txt"
  touch "$data/elsewhere"
  ln -s elsewhere "$data/visits.txt"
  refuses_directory "$data/visits.txt is a symbolic link; name the directory it leads to with --data-dir$"
  if [ "$(id -u)" = 0 ]; then
    rm "$data/visits.txt"
    mknod "$data/visits.txt" c 1 3
    refuses_directory "$data/visits.txt is not a regular file"
  fi
  assert_equal "$(cat "$data/elsewhere")" ""
}

@test "a data directory that is a file is refused" {
  data=$BATS_TEST_TMPDIR/data
  echo keep >"$data"
  refuses_directory "$data is not a directory; name another --data-dir$"
  assert_equal "$(cat "$data")" keep
}

@test "without write permission, one line names the user and the remedy; exit code 1" {
  data_for_other_users
  run --separate-stderr as_nobody timeout 60 "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  assert_complaint 1 "cannot write to $data as user 65534, group 65534: change its owner, or run as its owner .docker run --user .*; if rootless, Docker: --user 0:0, Podman: --userns=keep-id.; with SELinux mount it with :Z$"
  echo "$LINE" >"$data/visits.txt"
  chmod 444 "$data/visits.txt"
  run --separate-stderr as_nobody timeout 60 "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  assert_complaint 1 "cannot write to $data as user 65534"
  # Read permission suffices to list the visits.
  assert_equal "$(as_nobody timeout 60 "$WEB_APP" visits --data-dir "$data")" "     1	$LINE"
  chown 65534:65534 "$data" "$data/visits.txt"
  chmod 644 "$data/visits.txt"
  DATA=$data IN_FRONT="setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all" start_web_app
  run visit
  assert_equal "$(jq .visit <<<"$output")" 2
}

@test "on a read-only volume it is not ready, refuses every visit and loses none; once writable, it is ready by itself" {
  requires root
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
  mount -t tmpfs -o size=1m none "$data"
  mounts+=("$data")
  echo "$LINE" >"$data/visits.txt"
  mount -o remount,ro "$data"
  DATA=$data start_web_app
  assert log_has "^web-app: cannot write $data/visits.txt: Read-only file system; not ready, retrying$"
  assert ready_is "not ready: Read-only file system"
  assert_equal "$(status_of /)" 503
  assert_equal "$(admin /healthz)" ok
  run get / -H 'Accept: application/json'
  assert_failure
  assert_output --partial '{"error": "Read-only file system"'
  mount -o remount,rw "$data"
  wait_ready
  # Two requests were refused: of status_of and of get.
  wait_log "^web-app: ready again: $data/visits.txt is writable; 2 visits got 503 meanwhile$"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 2
  assert_visits 2
}

@test "a second process on the same directory waits, says so once, and takes over with the next number" {
  start_web_app
  visit 3 >/dev/null
  local first=$pid first_port=$port first_log=$log
  DATA=$data start_web_app
  assert log_has "^web-app: $data/visits.txt is in use by another process; not ready, retrying$"
  assert ready_is "not ready: Resource temporarily unavailable"
  assert_equal "$(status_of /)" 503
  run get / -i
  assert_output --partial "Retry-After: 1"
  assert_output --partial "does not count"
  curl -sS --fail -o /dev/null "http://127.0.0.1:$first_port/"
  assert_equal "$(metric 'web_app_visit_errors_total{reason="locked"}')" 2
  kill "$first"
  wait "$first"
  wait_ready
  run visit
  assert_equal "$(jq .visit <<<"$output")" 5
  assert_visits 5
  assert_equal "$(grep -c 'in use by another' "$log")" 1
  refute grep -q 'in use by another' "$first_log"
}

@test "a second process takes over after kill -9 of the first too" {
  start_web_app
  visit 3 >/dev/null
  local first=$pid
  DATA=$data start_web_app
  kill -KILL "$first"
  wait_ready
  run visit
  assert_equal "$(jq .visit <<<"$output")" 4
}

@test "at the start a torn last line is moved to another file, and a line in the log says so" {
  mkdir "$BATS_TEST_TMPDIR/data"
  printf '%s\n%s' "$LINE" "2022-11-28 22:5" >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  assert log_has "^web-app: truncated 15 bytes of a torn line from $data/visits.txt; kept in $data/visits.txt.torn-[0-9TZ]+$"
  assert_equal "$(cat "$data"/visits.txt.torn-*)" "2022-11-28 22:5"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 2
  assert_visits 2
}

@test "a last line that lacks only its newline gets it back" {
  mkdir "$BATS_TEST_TMPDIR/data"
  printf '%s\n%s' "$LINE" "$LINE" >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  assert log_has "^web-app: restored the newline missing after the last line of $data/visits.txt$"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  assert_visits 3
}

@test "after kill -9 under load every acknowledged visit is in the file, and the numbers go on from there" {
  data=$BATS_TEST_TMPDIR/data
  local round sync=always kept=0
  for round in 1 2 3 4 5 6; do
    DATA=$data start_web_app --sync "$sync"
    assert log_has "\($kept so far\)"
    visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --seconds 20
    more_visits() { [ "$(count_visits)" -ge $((kept + 300 * round)) ]; }
    try --max 400 --delay 0.02 -- more_visits
    kill -KILL "$pid"
    wait "$pid" || true
    wait "$background"
    assert_recorded "$BATS_TEST_TMPDIR/out"
    kept=$(count_visits)
    # Only visits that were in flight when the program died may be in the file without an acknowledgement.
    [ "$kept" -le $(($(wc -l <"$BATS_TEST_TMPDIR/out") + 16 * round)) ] || fail "$kept lines"
    [ "$sync" = none ] && sync=always || sync=none
  done
  assert_visits "$kept"
}

@test "a file that an operator replaces, removes or truncates is reopened as it is" {
  start_web_app
  visit 3 >/dev/null
  printf '%s\n' "$LINE" "$LINE" "$LINE" "$LINE" "$LINE" >"$data/new"
  mv "$data/new" "$data/visits.txt"
  wait_log "^web-app: reopened $data/visits.txt: 5 visits$"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 6
  truncate -s 80 "$data/visits.txt"
  wait_log "^web-app: reopened $data/visits.txt: 2 visits$"
  wait_log "^web-app: truncated 14 bytes of a torn line"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  assert_visits 3
  rm "$data/visits.txt"
  wait_log "^web-app: reopened $data/visits.txt: 0 visits$"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 1
  assert_visits 1
  assert_equal "$(admin /readyz)" ready
}

@test "right after a change by another process, a visit is refused or acknowledged with the number of its line" {
  start_web_app
  visit 3 | tee "$BATS_TEST_TMPDIR/responses" >/dev/null
  local change
  for change in 'echo "$LINE" >>"$data/visits.txt"' 'truncate -s -1 "$data/visits.txt"' \
    'printf x >>"$data/visits.txt"' 'sed -i "\$p" "$data/visits.txt"'; do
    for _ in 1 2 3; do
      eval "$change"
      visit >>"$BATS_TEST_TMPDIR/responses" 2>/dev/null || true
      try --max 200 --delay 0.05 -- visit >>"$BATS_TEST_TMPDIR/responses"
    done
  done
  jq -r '"\(.visit)\t\(.time)"' "$BATS_TEST_TMPDIR/responses" >"$BATS_TEST_TMPDIR/acknowledged"
  assert [ "$(wc -l <"$BATS_TEST_TMPDIR/acknowledged")" -ge 15 ]
  assert_recorded "$BATS_TEST_TMPDIR/acknowledged"
  assert_equal "$(admin /readyz)" ready
  assert log_has '^web-app: reopened .*: [0-9]+ visits$'
}

@test "it is not ready while its directory is gone, and ready again when the directory is back" {
  start_web_app
  visit 2 >/dev/null
  mv "$data" "$data.away"
  touch "$data"
  try --max 100 --delay 0.1 -- ready_is "not ready: Not a directory"
  assert_equal "$(status_of /)" 503
  rm "$data"
  mv "$data.away" "$data"
  wait_ready
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  assert_visits 3
}

# link_in_place, file_in_place: another process puts a symbolic link, or the file again, in the place of visits.txt.
link_in_place() {
  ln "$data/visits.txt" "$data/kept"
  ln -s nowhere "$data/link"
  mv -T "$data/link" "$data/visits.txt"
  kill -s USR1 "$pid"
  is_refused() { ! ready_is ready; }
  try --max 400 --delay 0.05 -- is_refused
}
file_in_place() {
  mv -f "$data/kept" "$data/visits.txt"
  kill -s USR1 "$pid"
  try --max 400 --delay 0.05 -- ready_is ready
}

@test "after more changes than are logged, the log still says how it ended" {
  start_web_app
  # Twelve reports are allowed at once, and one more every five seconds; each round has three.
  for _ in 1 2 3 4 5 6 7 8; do
    link_in_place
    file_in_place
  done
  link_in_place
  said_last() { tail -n 1 "$log" | grep -qE "$1"; }
  try --max 300 --delay 0.1 -- said_last "^web-app: $data/visits.txt is a symbolic link; "
  file_in_place
  try --max 300 --delay 0.1 -- said_last "^web-app: ready again: $data/visits.txt is writable$"
}

# outside_writer: 60 times another process appends the beginning of a line to the file, and the program repairs it.
outside_writer() {
  local i
  count_is() { [ "$(wc -c <"$data/visits.txt")" = 33 ]; }
  start_web_app
  visit >/dev/null
  for ((i = 0; i < 60; i++)); do
    printf 'torn' >>"$data/visits.txt"
    # A visit notices the change, and the program reads the file again at once.
    curl -sS -o /dev/null "http://127.0.0.1:$port/" || true
    try --max 400 --delay 0.01 -- count_is || return
  done
}

@test "if another process keeps writing to the file, few log lines and few files result, and nothing is lost" {
  outside_writer
  local torn=("$data"/visits.txt.torn-*)
  assert [ "${#torn[@]}" -le 8 ]
  assert_equal "$(cat "${torn[@]}" | wc -c)" 240
  assert [ "$(wc -l <"$log")" -lt 60 ]
  run visit
  assert_equal "$(jq .visit <<<"$output")" 2
}

@test "the group may write all that the program creates, whatever the umask; others no more than it allows" {
  local mask mode directory
  while read -r mask mode directory; do
    rm -rf "$BATS_TEST_TMPDIR/data"
    (umask "$mask" && start_web_app && stop_web_app)
    assert_equal "$(stat -c '%a' "$BATS_TEST_TMPDIR/data")" "$directory"
    printf 'torn' >>"$BATS_TEST_TMPDIR/data/visits.txt"
    (umask "$mask" && start_web_app && stop_web_app)
    run stat -c '%a' "$BATS_TEST_TMPDIR/data"/visits.txt*
    assert_output "$(printf '%s\n' "$mode" "$mode" "$mode")" # with the mark and the torn bytes
  done <<'EOT'
022 664 775
077 660 770
000 664 777
EOT
}

@test "a file that another user of the group has created goes on being used" {
  data_for_other_users
  chgrp 4000 "$data"
  chmod 2775 "$data"
  local user
  for user in 1001 1002 1001; do
    # A directory below the volume: the first of them creates it.
    DATA=$open/data/visits IN_FRONT="setpriv --reuid $user --regid $user --groups 4000 --bounding-set=-all" start_web_app
    visit 2 >/dev/null
    stop_web_app
    printf 'torn' >>"$data/visits.txt" # the next one has to make a file for it
  done
  truncate -s -4 "$data/visits.txt"
  assert_visits 6
}
