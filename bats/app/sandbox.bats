# What the program gives up before it serves: system calls (seccomp) and files and connections (Landlock).

load ../lib/mutants

# As an operator who has not heard of it.
setup() { unset WEB_APP_SANDBOX; }

# requires_sandbox: this machine and this build of the program have all of it.
requires_sandbox() {
  start_web_app
  log_has ' sandbox=on ' || skip_or_fail "this machine has no seccomp or no Landlock, or the program is not built with musl"
  stop_web_app
}

# without CALL=ERROR...: the command in front of a program to which the kernel refuses these calls.
without() {
  printf 'strace -D -f -qq -o /dev/null'
  printf ' -e inject=%s' "${@/=/:error=}"
}

# each_thread FIELD: the distinct values of that field of /proc/PID/status, of all threads.
each_thread() { sed -n "s/^$1:\t//p" /proc/"$pid"/task/*/status | sort -u; }

@test "by default every thread is restricted, and the start-up line says so" {
  requires_sandbox
  start_web_app --workers 3
  assert log_has ' sandbox=on '
  assert_equal "$(wc -l <"$log")" 1
  assert_equal "$(find "/proc/$pid/task" -mindepth 1 -maxdepth 1 | wc -l)" 8
  assert_equal "$(each_thread Seccomp)" 2
  assert_equal "$(each_thread NoNewPrivs)" 1
}

@test "with off nothing is restricted" {
  start_web_app --sandbox=off
  assert log_has ' sandbox=off '
  assert_equal "$(wc -l <"$log")" 1
  assert_equal "$(each_thread Seccomp)" "$(sed -n 's/^Seccomp:\t//p' /proc/self/status)"
  assert_equal "$(each_thread NoNewPrivs)" "$(sed -n 's/^NoNewPrivs:\t//p' /proc/self/status)"
}

@test "what the machine lacks is said once with auto, and the rest is in force" {
  requires command:strace
  requires_sandbox
  local serving
  while IFS='|' read -r refused lines serving; do
    # shellcheck disable=SC2086 # two words are two calls
    IN_FRONT=$(without $refused) start_web_app
    assert_equal "$(grep -c 'serving without it$' "$log")" "$lines"
    assert log_has " sandbox=$serving "
    visit 2 >/dev/null
    assert_equal "$(metric web_app_visits_total)" 2
    stop_web_app
    rm -r "$data"
  done <<'EOT'
landlock_create_ruleset=ENOSYS|1|partial
landlock_restrict_self=EPERM|1|partial
seccomp=EPERM|1|partial
landlock_create_ruleset=EOPNOTSUPP seccomp=EINVAL|2|off
EOT
  IN_FRONT=$(without landlock_create_ruleset=ENOSYS) start_web_app
  assert log_has '^web-app: no Landlock here: Function not implemented; serving without it$'
}

@test "with on it refuses to start where anything is lacking, in one line" {
  requires command:strace
  requires_sandbox
  local refused
  for refused in landlock_create_ruleset=ENOSYS landlock_add_rule=ENOMEM landlock_restrict_self=EPERM seccomp=EPERM; do
    # shellcheck disable=SC2046 # a command with its arguments
    run --separate-stderr $(without "$refused") "$WEB_APP" serve --sandbox=on --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
      --data-dir "$BATS_TEST_TMPDIR/data"
    assert_complaint 1 'no (Landlock|seccomp) here: .*; --sandbox=auto would serve without it$'
  done
  WEB_APP_SANDBOX=on start_web_app
  assert log_has ' sandbox=on '
}

# order PATH: a visitor asks the mutant for it; prints the response.
order() { curl -sS --max-time 20 "http://127.0.0.1:$port$1"; }

@test "a program that tries to run another one, or to connect, or to make code is ended, and a line names the call" {
  requires_sandbox
  mutant obeys-visitors
  local path number code
  # The numbers are those of x86-64.
  while read -r path number; do
    start_web_app
    assert log_has ' sandbox=on '
    visit >/dev/null
    run order "$path"
    assert_failure
    code=0
    wait "$pid" || code=$?
    assert_equal "$path ends it with $code" "$path ends it with 4"
    assert_equal "$(tail -n 1 "$log")" \
      "web-app: system call $number of architecture c000003e is not allowed; --sandbox=off would allow it"
    assert_visits 1
    rm -r "$data"
  done <<'EOT'
/execve 59
/socket 41
/connect 42
/fork 57
/kill 62
/mmap 9
/mprotect 10
/type 16
/x32 1073741863
EOT
}

@test "a program that opens a file elsewhere, or connects, is refused it by Landlock" {
  requires_sandbox
  # Without the filter, Landlock alone must do.
  requires command:strace
  mutant obeys-visitors
  IN_FRONT=$(without seccomp=EPERM) start_web_app
  assert log_has ' sandbox=partial '
  assert_equal "$(order /read/etc/passwd)" "Permission denied"
  assert_equal "$(order /read/proc/1/environ)" "Permission denied"
  assert_equal "$(order /write"$BATS_TEST_TMPDIR"/new)" "Permission denied"
  assert_equal "$(order /connect)" "Permission denied"
  assert_equal "$(order /execve)" "Permission denied"
  assert_equal "$(order /read"$data"/visits.txt)" "done"
  assert_equal "$(order /read/proc/self/stat)" "done"
  # With the filter too.
  start_web_app
  assert_equal "$(order /read/etc/passwd)" "Permission denied"
  assert_equal "$(order /write"$BATS_TEST_TMPDIR"/new)" "Permission denied"
  assert [ ! -e "$BATS_TEST_TMPDIR/new" ]
}

@test "control: with off the same program reads, writes, connects and runs what visitors ask for" {
  mutant obeys-visitors
  local path
  start_web_app --sandbox=off
  for path in /read/etc/passwd "/write$BATS_TEST_TMPDIR/new" /socket /connect /fork /kill /mmap /mprotect; do
    assert_equal "$path $(order "$path")" "$path done"
  done
  assert [ -e "$BATS_TEST_TMPDIR/new" ]
  run order /execve
  assert_failure
  wait "$pid" # true(1) has taken the place of the program
}

ready_is() { [ "$(curl -sS "http://127.0.0.1:$admin_port/readyz")" = "$1" ]; }

@test "a data directory that is replaced is out of reach: a line says so, and it is ready when the old one is back" {
  requires_sandbox
  start_web_app
  visit 2 >/dev/null
  mv "$data" "$data.away"
  wait_log "^web-app: $data was moved or replaced, and the sandbox keeps to the one before: put it back, or restart$"
  mkdir "$data"
  try --max 100 --delay 0.1 -- ready_is "not ready: Permission denied"
  assert_equal "$(status_of /)" 503
  rmdir "$data"
  mv "$data.away" "$data"
  try --max 100 --delay 0.1 -- ready_is ready
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  assert_visits 3
}

@test "the program may still create, replace, repair and list everything in its directory, and read its metrics" {
  requires_sandbox
  start_web_app
  visit 2 >/dev/null
  rm "$data/visits.txt" "$data/visits.txt.durable"
  wait_log "^web-app: reopened $data/visits.txt: 0 visits$"
  visit >/dev/null
  printf 'torn' >>"$data/visits.txt"
  wait_log "^web-app: truncated 4 bytes of a torn line from $data/visits.txt; kept in "
  assert [ -e "$data/visits.txt.durable" ]
  get /visits >/dev/null
  for name in process_open_fds process_max_fds process_threads process_resident_memory_bytes; do
    assert [ "$(metric "$name")" -gt 0 ]
  done
  stop_web_app
  assert_visits 1
}

@test "with on a missing directory is named, not the sandbox" {
  requires_sandbox
  data=$BATS_TEST_TMPDIR/file
  touch "$data"
  run --separate-stderr web_app serve --sandbox=on --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data"
  assert_complaint 1 "cannot open $data: Not a directory; name another --data-dir$"
  run --separate-stderr web_app serve --sandbox=on --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir "$data.no/such"
  assert_complaint 1 "cannot open $data.no/such: No such file or directory; name another --data-dir$"
}

# changes: in $data the file is created, replaced, repaired and continued.
changes() {
  visit 2 >/dev/null
  cp "$data/visits.txt" "$data/new"
  mv "$data/new" "$data/visits.txt"
  wait_log "^web-app: reopened $data/visits.txt: 2 visits$"
  printf 'torn' >>"$data/visits.txt"
  wait_log "^web-app: truncated 4 bytes of a torn line from $data/visits.txt; kept in "
  assert_equal "$(visit | jq .visit)" 3
  assert_visits 3
  assert [ -e "$data/visits.txt.durable" ]
  stop_web_app
}

@test "a data directory that is a symbolic link, a bind mount or relative is within reach" {
  requires_sandbox
  local directory
  cd "$BATS_TEST_TMPDIR"
  mkdir below link-target
  ln -s link-target link
  for directory in link below/relative ./below/; do
    DATA=$directory start_web_app --sandbox=on
    changes
  done
  requires root
  mkdir source mounted
  mount --bind source mounted
  DATA=mounted start_web_app --sandbox=on
  changes
  umount mounted
}
