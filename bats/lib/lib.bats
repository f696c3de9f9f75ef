# The test language that all other tests use.

load ../lib/mutants

@test "try repeats a command until it succeeds, and gives up after the last attempt" {
  echo 0 >"$BATS_TEST_TMPDIR/count"
  third_time() {
    local count
    count=$(($(cat "$BATS_TEST_TMPDIR/count") + 1))
    echo "$count" >"$BATS_TEST_TMPDIR/count"
    echo "attempt $count"
    [ "$count" -ge 3 ]
  }
  run try --max 5 --delay 0.01 -- third_time
  assert_success
  assert_output "attempt 3"
  run try --max 2 --delay 0.01 -- false
  assert_failure
  assert_output --partial "gave up after 2 attempts"
}

@test "requires fails in CI where it would skip elsewhere, and refuses an unknown requirement" {
  run requires root command:bash
  assert_success
  CI=true run requires command:no-such-command
  assert_failure
  assert_output --partial "this machine lacks the command no-such-command"
  run requires nonsense
  assert_failure
  assert_output --partial "BUG"
}

@test "assert_timestamp accepts a line of visits.txt and nothing else" {
  assert_timestamp "2022-11-28 22:54:26.913511+03:00"
  assert_timestamp "2022-11-28 22:54:26.000000-03:30"
  local line
  for line in "" "2022-11-28 22:54:26.91351+03:00" "2022-11-28T22:54:26.913511+03:00" "2022-11-28 22:54:26.913511Z" \
    "x2022-11-28 22:54:26.913511+03:00" "2022-11-28 22:54:26.913511+03:00 "; do
    run assert_timestamp "$line"
    assert_failure
  done
}

@test "assert_visits and assert_recorded find lost and damaged visits, and numbers given twice" {
  data=$BATS_TEST_TMPDIR
  printf '2022-11-28 22:54:2%d.913511+03:00\n' 1 2 3 >"$data/visits.txt"
  assert_visits 3
  run assert_visits 2
  assert_failure
  printf '%s\t%s\n' 1 "2022-11-28 22:54:21.913511+03:00" 3 "2022-11-28 22:54:23.913511+03:00" >"$data/acknowledged"
  assert_recorded "$data/acknowledged"
  cp "$data/acknowledged" "$data/twice"
  printf '3\t2022-11-28 22:54:23.913511+03:00\n' >>"$data/twice"
  run assert_recorded "$data/twice"
  assert_failure
  assert_output --partial "number 3 was given twice"
  printf '4\t2022-11-28 22:54:24.913511+03:00\n' >>"$data/acknowledged"
  run assert_recorded "$data/acknowledged"
  assert_failure
  assert_output --partial "visit 4"
  echo "damage" >>"$data/visits.txt"
  run assert_visits 4
  assert_failure
}

@test "assert_complaint demands one line, the exit code, and an empty standard output" {
  # complain STATUS STDERR STDOUT: runs a program with this result, and then the assert with 2 and --sync.
  complain() {
    speak() { printf '%b' "$2" >&2 && printf '%b' "$3" && return "$1"; }
    run --separate-stderr speak "$@"
    run assert_complaint 2 '.*--sync'
  }
  complain 2 'web-app: --sync is wrong\n' ''
  assert_success
  complain 1 'web-app: --sync is wrong\n' ''
  assert_failure
  complain 2 'web-app: --listen is wrong\n' ''
  assert_failure
  complain 2 'web-app: --sync\nweb-app: more\n' ''
  assert_failure
  complain 2 'web-app: --sync\n' 'words'
  assert_failure
}

@test "start_web_app finds both ports, and stop_web_app returns the exit code" {
  start_web_app
  assert_equal "$(status_of /healthz)" 200
  assert_equal "$(admin /healthz)" ok
  stop_web_app
  refute kill -0 "$pid"
  run start_web_app --workers 0
  assert_failure
  assert_output --partial "--workers=0"
}

@test "stop_started ends what was started, even in a subshell" {
  run start_web_app
  assert_success
  start_web_app
  local ids one
  mapfile -t ids < <(cut -d ' ' -f 1 "$BATS_TEST_TMPDIR/started")
  assert_equal "${#ids[@]}" 2
  stop_started
  gone() { ! kill -0 "$1" 2>/dev/null; }
  for one in "${ids[@]}"; do try --max 100 --delay 0.05 -- gone "$one"; done
}

@test "stop_started spares a process that has got the id of one that has ended, and does not wait for it" {
  local other
  sleep 30 3>&- &
  other=$!
  echo "$other 1" >"$BATS_TEST_TMPDIR/started"
  stop_started
  assert_not_exists "$BATS_TEST_TMPDIR/started"
  run kill -0 "$other"
  kill "$other"
  assert_success
}

# countdown: one that SIGABRT does not reach, as at its very beginning. Sets $countdown to its id, and $sleeper to its child's.
countdown() {
  (
    trap '' ABRT
    sleep 300 &
    echo $! >"$BATS_TEST_TMPDIR/sleeper"
    wait
  ) 3>&- &
  countdown=$!
  started "$countdown"
  try --max 100 --delay 0.05 -- test -s "$BATS_TEST_TMPDIR/sleeper"
  sleeper=$(<"$BATS_TEST_TMPDIR/sleeper")
  started "$sleeper"
}

@test "the countdown of a test ends with it, with its sleep" {
  has_ended() { [ -z "$(ps -o stat= -p "$1" | grep -v Z)" ]; }
  countdown
  bats_abort_timeout_countdown "$countdown"
  try --max 40 --delay 0.05 -- has_ended "$countdown"
  try --max 40 --delay 0.05 -- has_ended "$sleeper"
}

@test "the countdown of a test that ends at once leaves no sleep" {
  local left length=300.$$
  # In a shell without the traps of a test, as bats begins it.
  run bash -c "$(declare -f bats_abort_timeout_countdown)"'
    for ((number = 0; number < 300; number++)); do
      ( sleep "$1" & trap "kill $!; exit 0" ABRT; wait ) >/dev/null 2>&1 3>&- &
      bats_abort_timeout_countdown $!
    done' _ "$length"
  assert_success
  assert_output ""
  mapfile -t left < <(ps -e -o pid= -o args= | awk -v length_of="$length" '$2 == "sleep" && $3 == length_of { print $1 }')
  [ ${#left[@]} = 0 ] || kill "${left[@]}"
  assert_equal "${#left[@]} are left" "0 are left"
}

# hanging_test [LINE]: writes a bats file with a test that hangs below `run`, in a process with a child.
hanging_test() {
  cat >"$BATS_TEST_TMPDIR/hanging.bats" <<BATS
load $ROOT/bats/lib/common
$*
@test "it hangs, on purpose" {
  run bash -c 'echo \$\$ >$BATS_TEST_TMPDIR/hung; sleep 1000; true'
}
BATS
}

# bats_alone [NAME=VALUE...]: runs that file, without the variables of the bats that runs this test. It has 60 s.
bats_alone() {
  timeout --kill-after=1 60 env -i PATH="$PATH" HOME="$BATS_TEST_TMPDIR" "$@" \
    "$BUILD/tools/bats/usr/bin/bats" "$BATS_TEST_TMPDIR/hanging.bats" </dev/null 3>&-
}

@test "a command that hangs below run is ended at the test's time limit" {
  hanging_test
  run bats_alone BATS_TEST_TIMEOUT=1
  assert_failure 1
  assert_line "not ok 1 it hangs, on purpose # timeout after 1s"
  run kill -0 "$(cat "$BATS_TEST_TMPDIR/hung")"
  assert_failure
}

@test "control: bats' own time limit does not end it" {
  # In a subshell, because bats' limit ends the process in which it runs.
  hanging_test "bats_kill_childprocesses_of() { (pkill -P \"\$1\"; touch $BATS_TEST_TMPDIR/over); }"
  in_background "$BATS_TEST_TMPDIR/output" bats_alone BATS_TEST_TIMEOUT=1
  try --max 250 --delay 0.2 -- test -e "$BATS_TEST_TMPDIR/over"
  kill -0 "$(cat "$BATS_TEST_TMPDIR/hung")"
  pkill -P "$(cat "$BATS_TEST_TMPDIR/hung")"
  wait "$background" || true
}

@test "helm, kubectl and docker have a time limit of their own, also below run" {
  local program
  mkdir "$BATS_TEST_TMPDIR/bin"
  for program in helm kubectl docker; do
    printf '#!/bin/sh\nsleep 1000\ntrue\n' >"$BATS_TEST_TMPDIR/bin/$program"
    chmod +x "$BATS_TEST_TMPDIR/bin/$program"
    PATH=$BATS_TEST_TMPDIR/bin:$PATH LIMIT_SECONDS=1 run "$program" version
    assert_failure 124
  done
  source "$ROOT/bats/lib/cluster.bash"
  for program in helm kubectl kubectl_apply; do
    PATH=$BATS_TEST_TMPDIR/bin:$PATH LIMIT_SECONDS=1 run "$program" version
    assert_failure 124
  done
}

@test "a command on a node, and kubectl apply, get their standard input" {
  local program
  mkdir "$BATS_TEST_TMPDIR/bin"
  for program in docker kubectl; do
    printf '#!/bin/sh\ncat\n' >"$BATS_TEST_TMPDIR/bin/$program"
    chmod +x "$BATS_TEST_TMPDIR/bin/$program"
  done
  source "$ROOT/bats/lib/cluster.bash"
  for program in "on_node node bash -s" kubectl_apply; do
    # shellcheck disable=SC2086 # a command and its arguments
    PATH=$BATS_TEST_TMPDIR/bin:$PATH run $program <<<"the input"
    assert_success
    assert_output "the input"
  done
}

@test "no test calls helm, kubectl or docker past that limit" {
  run grep -rnE '(command|exec|xargs|env|setsid) (helm|kubectl|docker) ' "$ROOT"/bats/*/*.ba*
  assert_output ""
}

@test "a suite that is ended by a signal says which tests run, and leaves no process" {
  hanging_test
  in_background "$BATS_TEST_TMPDIR/output" bash -euo pipefail -c '
    source "$1/build.sh"
    source "$1/bats/run.sh"
    hanging=$2
    suite_hanging() { env -i PATH="$PATH" HOME="$HOME" "$BATS/usr/bin/bats" "$hanging"; }
    run_suite hanging ""' _ "$ROOT" "$BATS_TEST_TMPDIR/hanging.bats"
  try --max 300 --delay 0.2 -- test -s "$BATS_TEST_TMPDIR/hung"
  kill -TERM "$background"
  local status=0
  wait "$background" || status=$?
  assert_equal "$status" 143
  run cat "$BATS_TEST_TMPDIR/output"
  assert_line "SIGTERM ends the tests; running:"
  assert_line "${BATS_TEST_TMPDIR##*/}/hanging: it hangs, on purpose"
  run kill -0 "$(cat "$BATS_TEST_TMPDIR/hung")"
  assert_failure
}

@test "visitor.py notes each acknowledged visit, pipelined or not, and counts failed connections" {
  start_web_app
  run visitor "$BATS_TEST_TMPDIR/out" --connections 4 --requests 50
  assert_success
  assert_output "acknowledged 50 refused 0 errors 0 unanswered 0"
  run visitor "$BATS_TEST_TMPDIR/out" --connections 2 --requests 30 --pipeline 5
  assert_success
  assert_output "acknowledged 30 refused 0 errors 0 unanswered 0"
  run visitor "$BATS_TEST_TMPDIR/out" --connections 2 --requests 20 --pipeline 2 --visits-per-connection 3
  assert_success
  assert_output "acknowledged 20 refused 0 errors 0 unanswered 0"
  assert_visits 100
  assert_equal "$(cut -f 1 "$BATS_TEST_TMPDIR/out" | sort -n | uniq | wc -l)" 100
  assert_recorded "$BATS_TEST_TMPDIR/out"
  stop_web_app KILL || true
  run visitor "$BATS_TEST_TMPDIR/out" --connections 2 --requests 30
  assert_success
  assert_output "acknowledged 0 refused 0 errors 2 unanswered 0"
}

@test "raw.py finds a response without Date, one with a body to HEAD, and one too many" {
  # serve RESPONSE: a server that sends RESPONSE to its first client.
  serve() {
    printf '%b' "$1" >"$BATS_TEST_TMPDIR/response"
    in_background "$BATS_TEST_TMPDIR/server" python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection = listener.accept()[0]
connection.recv(65536)
connection.sendall(open(sys.argv[1], "rb").read())
connection.close()' "$BATS_TEST_TMPDIR/response"
    try --max 100 --delay 0.05 -- test -s "$BATS_TEST_TMPDIR/server"
    port=$(cat "$BATS_TEST_TMPDIR/server")
  }
  local date='Date: Mon, 28 Nov 2022 19:54:26 GMT\r\n'
  serve "HTTP/1.1 200 OK\r\n${date}Connection: close\r\nContent-Length: 2\r\n\r\nok"
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\n\r\n'
  assert_success
  assert_line "ok[closed]"
  serve "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\n\r\n'
  assert_failure
  assert_output --partial "without a Date"
  serve "HTTP/1.1 200 OK\r\n${date}Connection: close\r\nContent-Length: 2\r\n\r\nok"
  run "$TOOLS/raw.py" --port "$port" 'HEAD / HTTP/1.1\r\n\r\n'
  assert_failure
  serve "HTTP/1.1 200 OK\r\n${date}Content-Length: 2\r\n\r\nok"
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\n\r\n'
  assert_failure
  assert_output --partial "close is not announced"
  serve "HTTP/1.1 200 OK\r\n${date}Content-Length: 2\r\n\r\nokHTTP/1.1 400 Bad\r\n${date}Content-Length: 0\r\n\r\n"
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\n\r\n'
  assert_failure
  assert_output --partial "more responses than requests"
  serve "HTTP/1.1 405 No\r\n${date}Connection: close\r\nContent-Length: 0\r\n\r\n"
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\n\r\n'
  assert_failure
  assert_output --partial "without Allow"
}

@test "each mutant's patch says what the program does wrong, applies to the sources, and is used by a test" {
  local patch name
  for patch in "$MUTANTS"/*.patch; do
    name=$(basename "$patch" .patch)
    assert_regex "$(head -n 1 "$patch")" '^[^-]'
    plant "$patch" "$BATS_TEST_TMPDIR/planted"
    grep -rqE --include='*.bats' -- "(^| )$name( |\$)" "$ROOT/bats" || fail "no test runs the mutant $name"
  done
}

@test "control: a patch that does not apply exactly, or changes nothing, is refused" {
  local patch=$BATS_TEST_TMPDIR/bad.patch
  refused() {
    run plant "$patch" "$BATS_TEST_TMPDIR/planted"
    assert_failure
    assert_output --partial "BUG: $patch does not apply"
  }
  sed 's/^ .*free.*/ another line/' "$MUTANTS/leaks-input.patch" >"$patch"
  refused
  : >"$patch"
  refused
  echo "Only words." >"$patch"
  refused
  rm "$patch"
  refused
}

@test "the README's table of knobs has the variables that the scripts read from the environment" {
  # Except those of bats, the shell and compilers, and those that one script or helper passes to another.
  local others='BATS_(TEST_COMPLETED|TEST_TMPDIR|TIMED_OUT)|HOME|LANG|TMPDIR|[A-Z]+_OPTIONS|E2E_KUBECONFIG|CLUSTER_RESTRICTED|NAMESPACE'
  others+='|DATA|IN_FRONT|BY|FILES|HELM|PATIENCE|RELEASE|SCENE|ZONES|WEB_APP_SANDBOX'
  assert_equal "$(sed -n 's/^| `\([A-Z][A-Z0-9_]*\)` .*/\1/p' "$ROOT/bats/README.md" | sort)" \
    "$(cd "$ROOT" && grep -rhoE '\$\{[A-Z][A-Z0-9_]*:?[-+=]' build.sh .ci app/build.sh app/test/build.sh image/build.sh bats third_party/*.sh |
      grep -oE '[A-Z][A-Z0-9_]*' | sort -u | grep -vxE "$others")"
}

@test "build.sh test refuses an unknown suite, file or filter, and lists the existing ones" {
  refuses() {
    run "$ROOT/build.sh" test "$1"
    assert_failure 1
    assert_line --index 0 --partial "$2"
  }
  refuses nonsense "build.sh: there is no suite nonsense; there are: lint unit lib app"
  refuses lint/shell "there is no file lint/shell; there are: none"
  refuses unit/nonsense "there is no file unit/nonsense; there are: unit/accent unit/baseline"
  refuses app/nonsense "there is no file app/nonsense; there are: app/arm64 app/binary"
  refuses lib/lib:nonsense "no test of lib/lib matches 'nonsense'; there are:"
  assert_line "  try repeats a command until it succeeds, and gives up after the last attempt"
}

@test "lint refuses an include against an arrow, a circle of files, and civetweb's header outside its one file" {
  source "$ROOT/bats/lint.sh"
  run lint_arrows "$ROOT/app"
  assert_success
  local file included named
  while read -r file included named; do
    rm -rf "$BATS_TEST_TMPDIR/app" && cp -r "$ROOT/app" "$BATS_TEST_TMPDIR/app"
    sed -i "1i #include $included" "$BATS_TEST_TMPDIR/app/$file"
    run lint_arrows "$BATS_TEST_TMPDIR/app"
    assert_failure
    assert_output --partial "$named"
  done <<'EOT'
base/text.c "die.h" base/text.c:1:
log/scan.c "site/metrics.h" log/scan.c:1:
log/visit_log.h "http/request.h" log/visit_log.h:1:
http/http1.c "log/visit_log.h" http/http1.c:1:
http/connection.h "http/connections.h" http/connections
report.h "serve.h" report
http/request.h <civetweb.h> http/request.h:1:
EOT
}

@test "lint refuses a workflow with an unknown key, an unknown value, or a faulty script" {
  requires command:actionlint
  source "$ROOT/bats/lint.sh"
  run lint_workflows "$ROOT/.github/workflows"
  assert_success
  local edit named
  while read -r edit named; do
    sed "$edit" "$ROOT/.github/workflows/test.yaml" >"$BATS_TEST_TMPDIR/test.yaml"
    run lint_workflows "$BATS_TEST_TMPDIR"
    assert_failure
    assert_output --partial "$named"
  done <<'EOT'
s/timeout-minutes/timeout-hours/ unexpected key "timeout-hours"
s/matrix.kubernetes/matrix.kubernets/ property "kubernets" is not defined
s/"$KUBERNETES"/$KUBERNETES/ SC2086
EOT
}

@test "build.sh does nothing when it is sourced" {
  run bash -c 'cd / && before=$(umask)$-$PWD$HOME && source "$1/build.sh" && [ "$(umask)$-$PWD$HOME" = "$before" ] && declare -F step' _ "$ROOT"
  assert_success
  assert_output step
}

@test "scripts that build.sh sources together define no function twice" {
  run bash -c 'git -C "$0" ls-files "*.sh" | sed "s|^|$0/|" | grep -v "/\(tools\|hooks\)/" |
    xargs grep -hoE "^[a-z_]+\(\)" | sort | uniq -d' "$ROOT"
  assert_output ""
}

@test "the order of the end-to-end files names all of them" {
  run bash -euc 'source "$1/build.sh"; source "$1/bats/run.sh"; printf "%s\n" "${E2E_ALONE[@]}" "${E2E_TOGETHER[@]}" "${E2E_LONG[@]}" | sort' _ "$ROOT"
  assert_output "$(basename -a -s .bats "$ROOT"/bats/e2e/*.bats)"
}
