# Volumes as network shares, folders of a virtual machine's host and thin pools are: the server may lose the open file, a
# call may be missing, and a full disk may be reported by the sync alone. bats/tools/faulty.c is such a share.

load ../lib/faults

FULL="No space left on device"
# errno(3)
readonly BAD_DESCRIPTOR=9 NO_DEVICE=19 INVALID=22 NO_SPACE=28 NOT_IMPLEMENTED=38 NOT_SUPPORTED=95 NOT_CONNECTED=107 STALE=116
readonly IO_ERROR=5

setup_file() {
  requires root
  [ -c /dev/fuse ] || skip_or_fail "this machine lacks FUSE"
  gcc -O1 -I/usr/include/fuse3 -o "$BATS_FILE_TMPDIR/faulty" "$TOOLS/faulty.c" -lfuse3
}

teardown() {
  server_goes_on 2>/dev/null || true
  stop_started
  unmount_all
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# share: mounts the directory $below of a new share on $volume.
share() {
  local work
  work=$(mktemp -d -p "$(scratch)")
  below=$work/below orders=$work/orders volume=$work/share
  mkdir "$below" "$orders" "$volume"
  mount_share
}

mount_share() {
  in_background "$(scratch)/faulty.log" "$BATS_FILE_TMPDIR/faulty" "$below" "$orders" "$volume"
  echo "$background" >"$(scratch)/server"
  try --max 200 --delay 0.05 -- mountpoint -q "$volume"
}

# order CALL ERRNO [old]: from now on that call fails; with old only on the handles of today. obey CALL: it works again.
order() { echo "${*:2}" >"$orders/$1"; }
obey() { rm "$orders/$1"; }

# kill_handles: the server does not know any open file any more.
kill_handles() { printf x >>"$orders/dead"; }

ready_is() { [ "$(curl -sS --max-time 20 "http://127.0.0.1:$admin_port/readyz")" = "$1" ]; }
wait_ready_is() { try --max 200 --delay 0.1 -- ready_is "$1" || fail "readyz is not: $1"; }

has_ended() { ! kill -0 "$pid" 2>/dev/null; }

# ends_with CODE: the program ends by itself.
ends_with() {
  local code=0
  try --max 200 --delay 0.1 -- has_ended || return
  wait "$pid" || code=$?
  assert_equal "$code" "$1"
}

# --- A dead handle.

# loses_handle CALL ERRNO: that call fails because the handle of the file is dead, once or for a while. The file is
# reopened, the next visit is in it under the next number, and no visit is lost.
loses_handle() {
  local refused
  share
  DATA=$volume/data start_web_app
  visit 2 >/dev/null
  if [ "$1" = all ]; then kill_handles; else order "$1" "$2"; fi
  assert_equal "$(status_of /)" 503 || return
  [ "$1" = all ] || obey "$1"
  wait_log "^web-app: reopened $data/visits.txt: 2 visits$" || return
  wait_ready_is ready || return
  refused=$(metric 'web_app_visit_errors_total{reason="stale_handle"}')
  assert_equal "$refused" 1 || return
  assert_equal "$(metric 'web_app_visit_errors_total{reason="changed"}')" 0 || return
  assert_equal "$(visit | jq .visit)" 3 || return
  stop_web_app || return
  assert_visits 3
}

@test "a handle that the server does not know any more is replaced within a second, and no visit is lost" {
  loses_handle all
}

@test "so is a handle that any call reports as dead" {
  local errno
  loses_handle getattr "$STALE"
  loses_handle getattr "$IO_ERROR"
  for errno in "$STALE" "$NOT_CONNECTED" "$NO_DEVICE" "$BAD_DESCRIPTOR"; do loses_handle write "$errno"; done
}

# reopens_unasked: without a visit that is refused first.
reopens_unasked() {
  share
  DATA=$volume/data start_web_app
  visit >/dev/null
  order getattr "$STALE"
  wait_ready_is "not ready: Stale file handle" || return
  wait_log "^web-app: cannot use $data/visits.txt: Stale file handle$" || return
  obey getattr
  wait_log "^web-app: reopened $data/visits.txt: 1 visits$" || return
  wait_log "^web-app: ready again: $data/visits.txt is writable$" || return
  assert_equal "$(visit | jq .visit)" 2 || return
  assert_visits 2
}

@test "a share that is gone for a while is reopened once it is back, without a visit that is refused first" { reopens_unasked; }

@test "control: a program that takes a dead handle for a good one is found out" {
  mutant keeps-dead-handle
  run reopens_unasked
  assert_failure
  assert_output --partial "readyz is not: not ready: Stale file handle"
}

# dies_and_is_mounted [OPTION...]: three visits, then the server of the share is killed, and another one mounted there.
dies_and_is_mounted() {
  share
  DATA=$volume/data start_web_app "$@"
  visit 3 >/dev/null
  kill -KILL "$background"
  wait "$background" || true
  assert_equal "$(status_of /)" 503
  umount --lazy "$volume"
  mount_share
}

@test "a share whose server has died and was mounted again is used again without the sandbox" {
  dies_and_is_mounted --sandbox off
  wait_log "^web-app: reopened $data/visits.txt: 3 visits$"
  wait_ready_is ready
  assert_equal "$(visit | jq .visit)" 4
  stop_web_app
  assert_visits 4
}

@test "with the sandbox such a share is out of reach: a line asks for a restart, which finds all visits" {
  dies_and_is_mounted
  log_has "sandbox=on" || skip_or_fail "this machine has no seccomp or no Landlock"
  wait_log "^web-app: $data was moved or replaced, and the sandbox keeps to the one before: put it back, or restart$"
  stop_web_app || true
  DATA=$data start_web_app
  assert_equal "$(visit | jq .visit)" 4
  stop_web_app
  assert_visits 4
}

@test "a write error that a new handle ends, as after a lost lock of NFS, does not need a restart" {
  share
  DATA=$volume/data start_web_app
  visit >/dev/null
  order write "$IO_ERROR"
  assert_equal "$(status_of /)" 503
  wait_ready_is "not ready: I/O error"
  obey write
  wait_log "^web-app: reopened $data/visits.txt: 1 visits$"
  assert_equal "$(visit | jq .visit)" 2
  assert_visits 2
}

# keeps_failing ERRNO: the handle does not take a write any more, for a reason that does not say that it is dead, while
# another handle would.
keeps_failing() {
  share
  DATA=$volume/data start_web_app
  visit 2 >/dev/null
  order write "$1" old
  assert_equal "$(status_of /)" 503 || return
  wait_log "^web-app: reopened $data/visits.txt: 2 visits$" || return
  wait_ready_is ready || return
  assert_equal "$(visit | jq .visit)" 3 || return
  stop_web_app || return
  assert_visits 3
}

@test "a handle that fails with any errno is replaced once its volume takes bytes again" {
  local errno
  # EPERM, EINVAL, EBADFD of GlusterFS, ESHUTDOWN of CephFS, ETIMEDOUT of NFS, EHOSTDOWN of CIFS
  for errno in 1 22 77 108 110 112; do keeps_failing "$errno"; done
}

@test "control: a program that goes on with a handle that fails is found out" {
  mutant keeps-handle-that-fails
  run keeps_failing 108
  assert_failure
  assert_output --partial "no line ^web-app: reopened"
}

# server_stops: the server of the share responds no more. FUSE lets a process end only if it need not wait for a flush,
# which the kernel no longer asks for once it has been refused.
server_stops() {
  cat "$data/visits.txt" >/dev/null
  kill -STOP "$(cat "$(scratch)/server")"
}
server_goes_on() { kill -CONT "$(cat "$(scratch)/server")"; }

# waits_for_server: it is not ready while the server of the share is stopped, and ready again afterwards.
waits_for_server() {
  share
  DATA=$volume/data start_web_app
  visit 2 >/dev/null
  server_stops
  wait_ready_is "not ready: Operation timed out" || return
  assert_equal "$(admin /healthz)" ok || return
  wait_log "^web-app: $data does not respond; not ready, waiting$" || return
  server_goes_on
  wait_ready_is ready || return
  wait_log "^web-app: $data responds again$" || return
  assert_equal "$(visit | jq .visit)" 3 || return
  stop_web_app || return
  assert_visits 3
}

@test "while the server of the volume does not respond it is alive and not ready, also without a visitor" {
  waits_for_server
}

@test "control: a program that does not notice a server that is gone is found out" {
  mutant waits-for-lost-volume
  run waits_for_server
  server_goes_on
  assert_failure
  assert_output --partial "readyz is not: not ready: Operation timed out"
}

# responds_slowly TIMES: each time that the program asks for the space of the volume takes 1.2 seconds, so that the volume is
# never idle. It asks so many times; nobody visits.
responds_slowly() {
  share
  echo 1200 >"$orders/late"
  DATA=$volume/data start_web_app
  try --max 1200 --delay 0.05 -- has_asked "$1" || return
  ! log_has 'does not respond' || fail "$(cat "$log")"
}

has_asked() { [ "$(stat -c %s "$orders/asked")" -ge "$1" ]; }

@test "a volume that is slow, from the start and without a visitor, is not said to be lost" { responds_slowly 12; }

@test "control: a program that waits for a slow volume to be idle is found out" {
  mutant volume-lost-unless-idle
  run responds_slowly 12
  assert_failure
  assert_output --partial 'does not respond; not ready, waiting'
}

# ends_without_server [OPTION...]: SIGTERM ends it while the server is stopped and a visitor waits.
ends_without_server() {
  share
  DATA=$volume/data start_web_app --drain 1s "$@"
  visit 2 >/dev/null
  server_stops
  curl -sS -o /dev/null --max-time 60 "http://127.0.0.1:$port/" 3>&- &
  started "$!"
  kill "$pid"
  ends_with 1 || fail "it still runs" || return
  log_has "^web-app: stopped, though $data does not respond$" || return
  server_goes_on
  DATA=$data start_web_app || return
  assert_regex "$(visit | jq .visit)" '^[34]$' # the visit that waited may be in the file
}

@test "SIGTERM ends it although the server of the volume does not respond, and no acknowledged visit is lost" {
  local sync
  for sync in always interval none; do ends_without_server --sync "$sync"; done
}

@test "a sync that reports a dead handle ends it with 3 as any failed sync does, and the next start opens a new one" {
  local sync
  for sync in always interval; do
    share
    DATA=$volume/data start_web_app --sync "$sync"
    visit >/dev/null
    order fsync "$STALE"
    status_of / >/dev/null
    ends_with 3
    wait_log "^web-app: fdatasync of $data/visits.txt failed: Stale file handle: "
    obey fsync
    DATA=$data start_web_app --sync "$sync"
    wait_ready_is ready
    visit >/dev/null
    stop_web_app
  done
}

# --- Calls that a file system lacks.

# serves_without_sync_of_directory ERRNO
serves_without_sync_of_directory() {
  share
  order fsyncdir "$1"
  DATA=$volume/data start_web_app || return
  log_has "^web-app: this file system cannot sync $data: power loss may lose a new visits.txt$" || fail "it does not warn" || return
  assert_equal "$(visit | jq .visit)" 1 || return
  # The torn bytes of the next start are moved to a file of a new name.
  stop_web_app || return
  printf 'torn' >>"$below/data/visits.txt"
  DATA=$data start_web_app || return
  assert_equal "$(visit | jq .visit)" 2 || return
  stop_web_app || return
  assert_visits 2
}

@test "a file system that cannot sync a directory is served, and a line says what power loss may take" {
  local errno
  for errno in "$INVALID" "$NOT_SUPPORTED" "$BAD_DESCRIPTOR"; do serves_without_sync_of_directory "$errno"; done
}

@test "a directory whose sync fails for another reason is a failed sync, and no such line" {
  share
  mkdir "$below/data"
  order fsyncdir "$IO_ERROR"
  run --separate-stderr web_app serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$volume/data"
  assert_complaint 3 "cannot write $volume/data/visits.txt: I/O error"
}

@test "a file system that lacks fsync or flock is refused with a line that says so" {
  share
  order fsync "$INVALID"
  run --separate-stderr web_app serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$volume/data"
  assert_complaint 1 "cannot use $volume/data/visits.txt: this file system lacks fsync; name another --data-dir$"
  requires command:strace
  local error
  obey fsync
  for error in ENOLCK ENOSYS EOPNOTSUPP; do
    run --separate-stderr strace -f -qq -o /dev/null -e inject=flock:error="$error" \
      timeout 20 "$WEB_APP" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$volume/data"
    assert_complaint 1 "cannot use $volume/data/visits.txt: this file system lacks flock; name another --data-dir$"
  done
}

@test "a file system without modes is used as it is" {
  share
  order chmod "$NOT_IMPLEMENTED"
  data=$volume/data
  (umask 077 && DATA=$data start_web_app && visit && stop_web_app)
  assert_visits 1
}

# --- A full disk that only the sync reports.

# no_loop: the sync of the first visit of all reports a full disk. After the restart it is not ready until there is space.
no_loop() {
  share
  DATA=$volume/data start_web_app
  order fsync "$1"
  assert_equal "$(status_of /)" 503 || return
  ends_with 3 || return
  DATA=$data start_web_app || return
  wait_ready_is "not ready: $2" || return
  wait_log "^web-app: cannot write $data/visits.txt: $2; not ready, retrying$" || return
  assert_equal "$(status_of /)" 503 || return
  obey fsync
  wait_ready_is ready || return
  assert_equal "$(visit | jq .visit)" 1 || return
  stop_web_app || return
  assert_visits 1
}

@test "if only the sync reports a full disk or quota, it ends once, and then is not ready until a sync succeeds" {
  no_loop "$NO_SPACE" "$FULL"
  no_loop 122 "Quota exceeded"
}

# starts_on_full_share: the first sync of a new file reports a full disk.
starts_on_full_share() {
  share
  mkdir "$below/data"
  order fsync "$NO_SPACE"
  DATA=$volume/data start_web_app || return
  wait_ready_is "not ready: $FULL" || return
  obey fsync
  wait_ready_is ready || return
  assert_equal "$(visit | jq .visit)" 1
}

@test "if a sync of the start reports a full disk, it does not end either" { starts_on_full_share; }

@test "control: a program whose start ends on a full disk is found out" {
  mutant ends-on-full-disk
  run starts_on_full_share
  assert_failure
  assert_output --partial "web-app did not start"
}

# --- A thin pool, whose freed blocks keep their space.

# full_pool FILE-SYSTEM: see bats/tools/restarts.py.
full_pool() {
  requires_loop_devices || return
  requires "command:mkfs.$1" || return
  local work
  work=$(mktemp -d -p "$(scratch)")
  run "$TOOLS/restarts.py" --program "$WEB_APP" --work "$work" --file-system "$1" 3>&-
  echo "# $output" >&3
}

@test "on a full thin pool the restarts end: after a few it is not ready, and stays so until there is space" {
  full_pool xfs
  assert_success
  full_pool ext4
  assert_success
}

@test "control: a program that is ready after a failed sync, without a probe, restarts without end" {
  mutant starts-without-probe
  full_pool xfs
  assert_failure 1
  assert_output --partial "it ends without end"
}
