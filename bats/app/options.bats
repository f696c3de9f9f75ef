# Verbs, options, environment and exit codes: the command line and the program's messages about it.

load ../lib/common

# If one of these tests served by mistake, it would create `data` here and not in the project.
setup() { cd "$BATS_TEST_TMPDIR" || return; }

# refused ALLOWED ARGUMENT...: exit code 2 and one line that names the last argument and contains ALLOWED.
refused() {
  local allowed=$1 named=${*: -1}
  shift
  run --separate-stderr web_app "$@"
  assert_complaint 2 ".*" || return
  [[ $stderr == *"${named%%=*}"* ]] || fail "$stderr does not name $named" || return
  [[ $stderr == *"$allowed"* ]] || fail "$stderr does not say: $allowed"
}

# options_of_help: the options that `help` lists: name, variable, default; one option a line.
options_of_help() {
  web_app help | awk '
    /^  --/ { split($1, part, "="); name = part[1] }
    /\(default .*; environment .*\)/ { gsub(/[();]/, ""); print name, $4, $2 }'
}

@test "each malformed address is refused by the name of its option" {
  local option value
  for option in --listen --admin-listen; do
    for value in "" 65536 -1 x 80x "80 " localhost:80 ::1:80 "[::1]" 1.2.3.4: :80 "[::1:80" 99999999999999999999; do
      refused "PORT, ADDRESS:PORT or [IPV6-ADDRESS]:PORT" "$option=$value"
    done
  done
}

@test "each wrong value is refused with the allowed ones" {
  refused "the path of a directory" --data-dir=
  local value
  for value in "" Always sometimes "none "; do refused "always, interval or none" "--sync=$value"; done
  for value in 0 65 -1 1x "" 1.5 +1; do refused "a number from 1 to 64" "--workers=$value"; done
  for value in 0 1000001 many ""; do refused "a number from 1 to 1000000" "--max-connections=$value"; done
  for value in 5 5h 61m 3601s -1s s "" 1.5s "5 s"; do refused "ms, s or m" "--drain=$value"; done
  for value in "" Json xml "json "; do refused "text or json" "--log-format=$value"; done
  for value in 0s 999ms 1441m 86401s 620 1d -1s ""; do refused "from 1s to 1440m" "--idle-timeout=$value"; done
}

@test "an unknown time zone is refused, never taken for UTC" {
  local value
  for value in Nowhere/City Moscow MSK ../../etc/passwd "Europe/Moscow " Europe MSK-25; do
    refused "IANA name" "--timezone=$value"
    refute [ -e data ]
  done
  refused "IANA name" --timezone=
}

@test "an option that does not exist, or belongs to another verb, is refused" {
  refused "web-app help" --nonsense
  refused "web-app help" --nonsense=1
  refused "web-app help" --tail=5
  refused "web-app help" -x
  refused "web-app help" serve operand
  refused "web-app help" visits --listen=1
  refused "web-app help" check --workers=1
  refused "" visits --tail=x
  refused "no value" visits --raw=yes
  refused "web-app help" visits operand
  refused "web-app help" nosuchverb
  refused "web-app help" version 1
}

@test "an option without its value is refused with the allowed values" {
  local name
  while read -r name _; do
    run --separate-stderr web_app serve "$name"
    assert_complaint 2 "$name needs a value: "
  done < <(options_of_help)
}

@test "a message about a value that contains a newline stays one line" {
  run --separate-stderr web_app --sync=$'a\nb\e[31m'
  assert_complaint 2 '--sync=a\?b\?\[31m is not allowed'
}

@test "a wrong value in the environment is refused by the variable's name" {
  WEB_APP_SYNC=often run --separate-stderr web_app
  assert_complaint 2 'WEB_APP_SYNC=often is not allowed; give always, interval or none'
  WEB_APP_LISTEN=' ' run --separate-stderr web_app
  assert_complaint 2 'WEB_APP_LISTEN=  is not allowed; give PORT'
  WEB_APP_TIMEZONE=Nowhere/City run --separate-stderr web_app
  assert_complaint 2 '.*Nowhere/City'
}

@test "a flag overrides the environment, which overrides the default" {
  export WEB_APP_WORKERS=2 WEB_APP_DRAIN=7s WEB_APP_TIMEZONE=UTC WEB_APP_SYNC=none WEB_APP_MAX_CONNECTIONS=99
  export WEB_APP_IDLE_TIMEOUT=2m
  export WEB_APP_LISTEN=bad:address WEB_APP_ADMIN_LISTEN=bad:address
  run start_web_app
  assert_failure
  assert_output --partial WEB_APP_LISTEN=bad:address
  unset WEB_APP_LISTEN WEB_APP_ADMIN_LISTEN
  start_web_app --drain 1500ms
  assert log_has 'sync=none timezone=UTC workers=2 max-connections=99 idle-timeout=120000ms drain=1500ms'
}

@test "the start-up line has the defaults" {
  unset TZ
  start_web_app
  assert log_has 'visits in .*/data/visits\.txt \(0 so far\), sync=always timezone=Europe/Moscow workers=1 max-connections=4096 idle-timeout=620000ms drain=5000ms sandbox=[a-z]+ log-format=text$'
  assert_equal "$(wc -l <"$log")" 1
}

@test "the verb visits takes the data directory from the environment too" {
  start_web_app
  visit 2
  WEB_APP_DATA_DIR=$data run web_app visits --tail 1 --raw
  assert_success
  assert_timestamp "$output"
  assert_equal "$output" "$(tail -n 1 "$data/visits.txt")"
}

@test "help lists every option with its default and its variable, and every verb" {
  run --separate-stderr web_app help
  assert_success
  assert_equal "$stderr" ""
  local verb
  for verb in serve visits check version help; do assert_line --regexp "^  $verb "; done
  assert_line --partial "exit codes: 0 clean, 1 failed, 2 usage, 3 durability lost, 4 forbidden system call"
  local help=$output
  run options_of_help
  assert_output "--listen WEB_APP_LISTEN 8080
--admin-listen WEB_APP_ADMIN_LISTEN 8081
--data-dir WEB_APP_DATA_DIR data
--sync WEB_APP_SYNC always
--timezone WEB_APP_TIMEZONE Europe/Moscow
--workers WEB_APP_WORKERS 1
--max-connections WEB_APP_MAX_CONNECTIONS 4096
--idle-timeout WEB_APP_IDLE_TIMEOUT 620s
--drain WEB_APP_DRAIN 5s
--sandbox WEB_APP_SANDBOX auto
--log-format WEB_APP_LOG_FORMAT text"
  assert_equal "$(web_app --help)" "$help"
  assert_equal "$(web_app -h)" "$help"
}

@test "a verb with --help or -h, and nothing else, is help for that verb; of version and help that has no options" {
  local verb
  for verb in serve visits check prove version help; do
    run --separate-stderr web_app help "$verb"
    assert_success
    assert_line --index 0 --regexp "^usage: web-app $verb( [^ ]+)*\$"
    assert_equal "$(web_app "$verb" --help)" "$output"
    assert_equal "$(web_app "$verb" -h)" "$output"
  done
  assert_equal "$(web_app help version | grep -c -e '  --')" 0
  assert_equal "$(web_app help help | grep -c -e '  --')" 0
  refused "web-app help" serve --listen=0 --help
}

@test "the README's table of options is that of help" {
  run awk -F '|' '/<!-- \/options -->/ { inside = 0 }
    inside && /`--/ { gsub(/[` ]/, ""); print $2, $3, $4 }
    /<!-- options -->/ { inside = 1 }' "$ROOT/README.md"
  assert_success
  assert_equal "$output" "$(options_of_help)"
}

@test "the table of options in app/prove/README.md is that of help" {
  run awk -F '|' '/<!-- \/options of prove -->/ { inside = 0 }
    inside && /`--/ { gsub(/[` ]/, ""); print $2, $3 }
    /<!-- options of prove -->/ { inside = 1 }' "$ROOT/app/prove/README.md"
  assert_success
  assert_equal "$output" "$(web_app help prove | awk '
    function put() { if (name) print name, value }
    /^  --/ { put(); name = $1; sub(/=.*/, "", name); value = "" }
    / \(default / { value = $2; sub(/\)$/, "", value) }
    END { put() }')"
}

@test "version is that of the build" {
  run --separate-stderr web_app version
  assert_output "web-app $(version)"
  assert_equal "$(web_app --version)" "$output"
}

@test "a port in use is named, with the option to change" {
  start_web_app
  run --separate-stderr web_app --listen "127.0.0.1:$port" --admin-listen 127.0.0.1:0 --data-dir "$BATS_TEST_TMPDIR/other"
  assert_complaint 1 "cannot listen on --listen=127.0.0.1:$port: Address (already )?in use; give --listen another"
  run --separate-stderr web_app --listen 127.0.0.1:0 --admin-listen "127.0.0.1:$admin_port" --data-dir "$BATS_TEST_TMPDIR/other"
  assert_complaint 1 "cannot listen on --admin-listen=127.0.0.1:$admin_port: Address (already )?in use"
  run --separate-stderr web_app --listen 192.0.2.1:80 --data-dir "$BATS_TEST_TMPDIR/other"
  assert_complaint 1 "cannot listen on --listen=192.0.2.1:80: "
}

@test "a port alone serves IPv4 and IPv6, an address only itself" {
  [ -e /proc/net/if_inet6 ] && grep -q ' lo$' /proc/net/if_inet6 || skip_or_fail "this machine lacks IPv6"
  start_web_app --listen 0 --admin-listen '[::1]:0'
  curl -sS --fail "http://127.0.0.1:$port/healthz"
  curl -sS --fail "http://[::1]:$port/healthz"
  curl -sS --fail "http://[::1]:$admin_port/healthz"
  run curl -sS "http://127.0.0.1:$admin_port/healthz"
  assert_failure
}

@test "check exits with 0 for a ready server only, not for an error status or without a server" {
  start_web_app
  run --separate-stderr web_app check --admin-listen "127.0.0.1:$admin_port"
  assert_success
  assert_output "200 ready"
  WEB_APP_ADMIN_LISTEN=$admin_port run web_app check
  assert_output "200 ready"
  run web_app check "http://127.0.0.1:$port/nowhere"
  assert_equal "$status" 1
  assert_output --partial "404 not found"
  stop_web_app
  run --separate-stderr web_app check "http://127.0.0.1:$port/"
  assert_complaint 1 "http://127.0.0.1:$port/: cannot connect: Connection refused; see whether the server runs"
}

@test "check without a URL says what to set if the server's admin port is another" {
  run --separate-stderr web_app check --admin-listen 127.0.0.1:1
  assert_complaint 1 "http://127.0.0.1:1/readyz: cannot connect: Connection refused; see whether the server runs and listens there; if it has another --admin-listen, set WEB_APP_ADMIN_LISTEN for both$"
}

@test "check gives up on a server that does not respond" {
  in_background "$BATS_TEST_TMPDIR/server" python3 -c '
import socket, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(30)'
  try --max 100 --delay 0.05 -- test -s "$BATS_TEST_TMPDIR/server"
  run --separate-stderr web_app check "http://127.0.0.1:$(cat "$BATS_TEST_TMPDIR/server")/"
  assert_complaint 1 ".*: timed out after 3 s: the response stopped in its head; see the server's load and log"
}
