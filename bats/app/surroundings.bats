# The process and its surroundings: descriptors that the parent has closed, signals of a terminal and of log rotation,
# an environment with empty variables.
# shellcheck disable=SC2034 # admin and metric read admin_port

load ../lib/common

# start_closed REDIRECTION...: serves in $data with these descriptors closed, so that there is no log to read the ports from.
start_closed() {
  data=$BATS_TEST_TMPDIR/data
  bash -c "exec \"\$0\" serve --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 --data-dir \"\$1\" 3>&- $*" "$WEB_APP" "$data" \
    </dev/null >/dev/null 2>&1 &
  pid=$!
  started "$pid"
  both_ports() {
    mapfile -t ports < <(ss -Hltnp | sed -nE "s/.*127\.0\.0\.1:([0-9]+) .*pid=$pid,.*/\1/p")
    [ "${#ports[@]}" = 2 ]
  }
  try --max 200 --delay 0.05 -- both_ports
  both_ports
  # The admin port is the one that has metrics.
  port=${ports[0]} admin_port=${ports[1]}
  [ "$(status_of /metrics)" = 404 ] || port=${ports[1]} admin_port=${ports[0]}
}

@test "a standard descriptor that is closed at the start is never given to visits.txt" {
  local closed
  for closed in '>&- 2>&-' '<&- 2>&-' '2>&-' '<&- >&- 2>&-'; do
    rm -rf "$BATS_TEST_TMPDIR/data"
    start_closed "$closed"
    visit 3 >/dev/null
    # Another process replaces the file, which is logged.
    cp "$data/visits.txt" "$data/new"
    mv "$data/new" "$data/visits.txt"
    kill -s USR1 "$pid"
    three_again() { [ "$(metric web_app_visits_total)" = 3 ] && visit; }
    try --max 100 --delay 0.05 -- three_again
    stop_web_app
    run find "$data" -name 'visits.txt.torn-*'
    assert_output ""
    assert_visits 4
  done
}

@test "output that goes to a closed descriptor is a failure" {
  start_web_app
  visit >/dev/null
  stop_web_app
  local verb
  for verb in "visits --data-dir $data" version help "check http://127.0.0.1:1/"; do
    run --separate-stderr bash -c "'$WEB_APP' $verb >&-"
    assert_failure 1
  done
}

@test "SIGHUP looks at the file at once, and the program goes on" {
  start_web_app
  visit 2 >/dev/null
  local round
  for round in 1 2 3; do
    cp "$data/visits.txt" "$data/new"
    mv "$data/new" "$data/visits.txt"
    kill -s HUP "$pid"
    reopened_so_often() { [ "$(grep -c "^web-app: reopened $data/visits.txt: 2 visits$" "$log")" = "$round" ]; }
    try --max 200 --delay 0.05 -- reopened_so_often
  done
  visit >/dev/null
  stop_web_app
  assert_visits 3
}

@test "SIGQUIT drains as SIGTERM does" {
  start_web_app --drain 20s
  visit >/dev/null
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\n' >&"$half"
  get /healthz >/dev/null # read after the half of the request
  kill -s QUIT "$pid"
  wait_log '^web-app: SIGQUIT: draining open connections for up to 20000 ms$'
  printf '\r\n' >&"$half"
  run timeout 10 cat <&"$half"
  assert_output --partial "200 OK"
  wait "$pid"
  assert_visits 2
}

@test "a variable that no option has is named once with the nearest option; those of a Service called web-app are not" {
  export WEB_APP_LISTN=9 WEB_APP_WORKER=2 WEB_APP_NONSENSE=x WEB_APP_PORT=8080 WEB_APP_DRAINS="" WEB_APP_SYNC=none
  export WEB_APP_SERVICE_HOST=10.0.0.1 WEB_APP_SERVICE_PORT=80 WEB_APP_SERVICE_PORT_HTTP=80
  export WEB_APP_PORT_80_TCP=tcp://10.0.0.1:80 WEB_APP_PORT_80_TCP_PROTO=tcp WEB_APP_PORT_80_TCP_PORT=80 \
    WEB_APP_PORT_80_TCP_ADDR=10.0.0.1 WEB_APP_HEADLESS_PORT=tcp://10.0.0.2:80
  start_web_app
  run sort "$log"
  assert_equal "${#lines[@]}" 5
  assert_line "web-app: WEB_APP_LISTN is not a variable of web-app; did you mean WEB_APP_LISTEN?"
  assert_line "web-app: WEB_APP_WORKER is not a variable of web-app; did you mean WEB_APP_WORKERS?"
  assert_line "web-app: WEB_APP_NONSENSE is not a variable of web-app; see web-app help"
  assert_line "web-app: WEB_APP_PORT is not a variable of web-app; see web-app help"
  stop_web_app
  unset WEB_APP_LISTN WEB_APP_WORKER WEB_APP_NONSENSE
  export WEB_APP_PORT=tcp://10.0.0.1:80
  start_web_app
  assert_equal "$(wc -l <"$log")" 1
}

@test "TZ has no effect, and a line says so if it is another zone than --timezone" {
  TZ=America/New_York start_web_app
  assert log_has "^web-app: TZ=America/New_York has no effect; the times are those of --timezone=Europe/Moscow$"
  assert_regex "$(visit | jq -r .time)" '\+03:00$'
  TZ=Europe/Moscow start_web_app
  refute log_has "TZ="
  TZ='' start_web_app
  refute log_has "TZ="
}

@test "an empty environment variable is an unset one" {
  local name
  for name in LISTEN ADMIN_LISTEN DATA_DIR SYNC TIMEZONE WORKERS MAX_CONNECTIONS IDLE_TIMEOUT DRAIN SANDBOX; do
    export "WEB_APP_$name="
  done
  start_web_app
  assert log_has ' sync=always timezone=Europe/Moscow workers=1 max-connections=4096 idle-timeout=620000ms drain=5000ms sandbox=[a-z]+ log-format=text$'
  run --separate-stderr web_app serve --timezone=
  assert_complaint 2 "--timezone= is not allowed"
}
