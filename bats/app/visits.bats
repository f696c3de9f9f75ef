# A visit: its line, its number and its response; and the ways to read the file.

load ../lib/common

@test "a visit is recorded as a line with Moscow's local time, and its JSON response has the same time" {
  start_web_app
  local before after
  before=$(TZ=Europe/Moscow date +'%F %T.%6N%:z')
  run visit
  after=$(TZ=Europe/Moscow date +'%F %T.%6N%:z')
  assert_success
  assert_equal "$(jq -r .visit <<<"$output")" 1
  assert_equal "$(jq -r .pod <<<"$output")" "$(hostname)"
  local time
  time=$(jq -r .time <<<"$output")
  assert_timestamp "$time"
  assert_equal "${time: -6}" +03:00
  assert_equal "$time" "$(cat "$data/visits.txt")"
  assert_visits 1
  [[ ! $time < $before && ! $time > $after ]] || fail "$time is not between $before and $after"
}

@test "--timezone sets the local time, by name and as a POSIX string" {
  start_web_app --timezone Asia/Kathmandu
  visit
  stop_web_app
  DATA=$data start_web_app --timezone '<-0330>3:30'
  visit
  stop_web_app
  assert_visits 2
  assert_equal "$(cut -c 27- "$data/visits.txt" | paste -sd ' ')" "+05:45 -03:30"
}

@test "a page for people shows the number, the time, the pod and the visits before" {
  start_web_app
  visit 6 >/dev/null
  run get /
  assert_success
  assert_output --partial "<h1>Visit 7</h1>"
  assert_output --partial "<time>$(tail -n 1 "$data/visits.txt")</time>"
  assert_output --partial "<b>$(hostname)</b>"
  local number
  for number in 2 3 4 5 6; do
    assert_output --partial "<td>$number<td><time>$(sed -n "${number}p" "$data/visits.txt")"
  done
  refute_output --partial "<td>1<td>"
}

@test "a client that prefers JSON gets JSON, any other client the page" {
  start_web_app
  local accept
  for accept in application/json 'application/json, text/html;q=0.9' 'text/html;q=0.1, application/*' 'text/*;q=0.2, */*'; do
    run get / -H "Accept: $accept"
    assert_output --regexp '^\{"visit": [0-9]+, "time": ".{32}", "pod": "[^"]+"\}$'
  done
  for accept in '' '*/*' text/html 'text/html, application/json' 'application/json;q=0.5, text/html' 'application/json;q=0' image/png; do
    run get / -H "Accept:${accept:+ }$accept"
    assert_output --partial "<!doctype html>"
  done
  assert_visits 11
}

@test "a response names its type and its pod, and forbids caching" {
  start_web_app
  run get / -I -X GET
  assert_output --partial "X-Pod: $(hostname)"
  assert_output --partial "Cache-Control: no-store"
  assert_output --partial "Content-Type: text/html; charset=utf-8"
  assert_output --partial "Content-Security-Policy: default-src 'none'"
  assert_output --partial "Vary: Accept"
}

@test "the visits are numbered as cat -b numbers them, by the verb and by /visits" {
  start_web_app
  visitor "$BATS_TEST_TMPDIR/out" --connections 8 --requests 1200
  cat -b "$data/visits.txt" >"$BATS_TEST_TMPDIR/wanted"
  web_app visits --data-dir "$data" >"$BATS_TEST_TMPDIR/got"
  assert_files_equal "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/wanted"
  get /visits >"$BATS_TEST_TMPDIR/got"
  assert_files_equal "$BATS_TEST_TMPDIR/got" "$BATS_TEST_TMPDIR/wanted"
  get '/visits?format=text&tail=3' >"$BATS_TEST_TMPDIR/got"
  tail -n 3 "$BATS_TEST_TMPDIR/wanted" | assert_files_equal "$BATS_TEST_TMPDIR/got" /dev/stdin
  web_app visits --data-dir "$data" --tail 3 | assert_files_equal "$BATS_TEST_TMPDIR/got" /dev/stdin
}

# assert_is_file COMMAND...: its output is visits.txt, byte for byte.
assert_is_file() { "$@" | cmp - "$data/visits.txt"; }

@test "the raw format is the file itself, and JSON and HTML have every line of it" {
  start_web_app
  visitor "$BATS_TEST_TMPDIR/out" --connections 8 --requests 2000
  assert_is_file get '/visits?format=raw'
  assert_is_file web_app visits --raw --data-dir "$data"
  get '/visits?format=json' >"$BATS_TEST_TMPDIR/json"
  assert_is_file jq -r '.visits[].time' "$BATS_TEST_TMPDIR/json"
  assert_equal "$(jq -c '[.pod, .count, (.visits | map(.visit) == [range(1; 2001)])]' "$BATS_TEST_TMPDIR/json")" "[\"$(hostname)\",2000,true]"
  get '/visits?format=html&tail=2000' >"$BATS_TEST_TMPDIR/html"
  sed -n 's/^<tr><td>[0-9]*<td><time>\(.*\)<\/time>$/\1/p' "$BATS_TEST_TMPDIR/html" >"$BATS_TEST_TMPDIR/newest-first"
  assert_is_file tac "$BATS_TEST_TMPDIR/newest-first"
  run get '/visits?format=json&tail=2'
  assert_equal "$(jq -c '[.count, (.visits | map(.visit))]' <<<"$output")" '[2000,[1999,2000]]'
}

assert_files_equal() { run diff "$1" "$2" && assert_success; }

@test "/visits is text for curl, a page for a browser, and JSON for a client that asks for it" {
  start_web_app
  visit 3 >/dev/null
  run get /visits
  assert_line --index 0 --regexp '^     1	2'
  run get /visits -H 'Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8'
  assert_line "<h1>3 visits</h1>"
  run get /visits -H 'Accept: application/json'
  assert_equal "$(jq .count <<<"$output")" 3
  run get '/visits?format=xml'
  assert_failure
  assert_output --partial "format is one of text, raw, json, html"
  local tail
  for tail in x -1 "" 1.5 99999999999999999999 0x1; do
    assert_equal "$(status_of "/visits?tail=$tail")" 400
  done
  assert_equal "$(status_of /visits?tail=999999999999999999)" 200
  assert_visits 3
}

@test "the listing of an empty file is empty" {
  start_web_app
  assert_equal "$(get /visits)" ""
  assert_equal "$(get '/visits?format=json' | jq -c '[.count, .visits]')" '[0,[]]'
  assert_equal "$(web_app visits --data-dir "$data")" ""
  run get '/visits?format=html'
  assert_line "<h1>0 visits</h1>"
}

@test "damaged lines are listed unchanged in raw, and break neither JSON nor HTML" {
  mkdir "$BATS_TEST_TMPDIR/data"
  printf '<script>"\\\nx\n2022-11-28 22:54:26.913511+03:00\n' >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  assert log_has '^web-app: 2 lines of .*/visits.txt are not visits; they are kept and counted$'
  assert_equal "$(get '/visits?format=json' | jq -c '.visits | map(.time)')" '[null,null,"2022-11-28 22:54:26.913511+03:00"]'
  run get '/visits?format=html'
  refute_output --partial "<script>"
  assert_is_file get '/visits?format=raw'
  run visit
  assert_equal "$(jq .visit <<<"$output")" 4
}

@test "the verb visits works without a server, ends quietly when its reader ends, and names a missing file" {
  mkdir "$BATS_TEST_TMPDIR/data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n 9000 >"$BATS_TEST_TMPDIR/data/visits.txt"
  echo -n "2022-11" >>"$BATS_TEST_TMPDIR/data/visits.txt"
  # shellcheck disable=SC2016
  run --separate-stderr timeout 60 bash -c '"$0" visits --data-dir "$1" | head -n 1' "$WEB_APP" "$BATS_TEST_TMPDIR/data"
  assert_success
  assert_equal "$output$stderr" "     1	2022-11-28 22:54:26.913511+03:00"
  assert_equal "$(web_app visits --data-dir "$BATS_TEST_TMPDIR/data" | wc -l)" 9000
  run --separate-stderr web_app visits --data-dir "$BATS_TEST_TMPDIR/none"
  assert_complaint 1 "cannot read .*/none/visits.txt: No such file or directory; name its directory with --data-dir"
  mkdir "$BATS_TEST_TMPDIR/fifo"
  mkfifo "$BATS_TEST_TMPDIR/fifo/visits.txt"
  run --separate-stderr web_app visits --data-dir "$BATS_TEST_TMPDIR/fifo"
  assert_complaint 1 "cannot read .*/fifo/visits.txt: "
  # shellcheck disable=SC2016
  run --separate-stderr timeout 60 bash -c '"$0" visits --data-dir "$1" >/dev/full' "$WEB_APP" "$BATS_TEST_TMPDIR/data"
  assert_complaint 1 "cannot write: No space left on device"
}

@test "many visitors at once get numbers without a gap, each once, and each in the file" {
  local sync
  for sync in always none; do
    DATA=$BATS_TEST_TMPDIR/$sync start_web_app --sync "$sync" --workers 1
    run visitor "$BATS_TEST_TMPDIR/$sync.out" --connections 64 --requests 8000
    assert_output "acknowledged 8000 refused 0 errors 0 unanswered 0"
    assert_visits 8000
    assert_recorded "$BATS_TEST_TMPDIR/$sync.out"
    stop_web_app
  done
}

# bats test_tags=native
@test "with four workers they do too" {
  local threads
  start_web_app --workers 1
  # A sanitizer may have a thread of its own.
  threads=$(metric process_threads)
  stop_web_app
  start_web_app --workers 4
  run visitor "$BATS_TEST_TMPDIR/out" --connections 64 --visits-per-connection 5 --requests 8000
  assert_output "acknowledged 8000 refused 0 errors 0 unanswered 0"
  assert_visits 8000
  assert_recorded "$BATS_TEST_TMPDIR/out"
  assert_equal "$(metric process_threads)" $((threads + 3))
}

@test "pipelined requests get their responses in order" {
  start_web_app
  run "$TOOLS/raw.py" --port "$port" 'GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /visits HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n'
  assert_success
  run grep -oE '^HTTP/1.1 [0-9]+|^ok|"visit": [0-9]+|^     1|not found' <<<"$output"
  assert_output 'HTTP/1.1 200
"visit": 1
HTTP/1.1 200
ok
HTTP/1.1 200
HTTP/1.1 200
     1
HTTP/1.1 200
"visit": 2
HTTP/1.1 404
not found'
  run visitor "$BATS_TEST_TMPDIR/out" --connections 4 --requests 2000 --pipeline 40
  assert_output "acknowledged 2000 refused 0 errors 0 unanswered 0"
  assert_visits 2002
  assert_recorded "$BATS_TEST_TMPDIR/out"
}

@test "HEAD does not count as a visit, nor does a probe, a listing, a wrong path or a wrong request" {
  start_web_app
  get / -I
  get /healthz && get /readyz && get /version && get /visits
  admin /healthz && admin /readyz && admin /version && admin /metrics >/dev/null
  assert_equal "$(status_of /index.html)" 404
  assert_equal "$(status_of / -X POST)" 405
  assert_equal "$(status_of / -H 'Host: a b')" 400
  assert_visits 0
  assert_equal "$(metric web_app_visits_total)" 0
}

@test "the metrics count visits, requests and syncs" {
  start_web_app
  visit 3 >/dev/null
  get / >/dev/null
  status_of /nowhere
  status_of / -X POST
  assert_equal "$(metric web_app_visits_total)" 4
  assert_equal "$(metric web_app_visits_file_bytes)" 132
  assert_equal "$(metric 'web_app_http_requests_total{path="/",code="200"}')" 4
  assert_equal "$(metric 'web_app_http_requests_total{path="other",code="404"}')" 1
  assert_equal "$(metric 'web_app_http_requests_total{path="other",code="405"}')" 1
  assert_equal "$(metric web_app_sync_batch_visits_sum)" 4
  local syncs
  syncs=$(metric web_app_sync_duration_seconds_count)
  [ "$syncs" -ge 1 ] && [ "$syncs" -le 4 ] || fail "$syncs syncs for 4 visits"
  assert_equal "$(metric "web_app_build_info{version=\"$(get /version | jq -r .version)\"}")" 1
}

# metric_counts_syncs OPTION...: the metric counts the fdatasync(2) calls that strace(1) sees, and no others.
metric_counts_syncs() {
  local trace=$BATS_TEST_TMPDIR/trace seen counted
  # LeakSanitizer traces its own process, and a process can have only one tracer.
  IN_FRONT="env ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
    strace -D -f -qq --seccomp-bpf -o $trace -e trace=fdatasync" start_web_app "$@"
  visitor "$BATS_TEST_TMPDIR/out" --connections 16 --requests 400 >/dev/null
  is_synced() { [ "$(metric web_app_visits_file_bytes)" = $((400 * 33)) ] && grep -q fdatasync "$trace"; }
  try --max 200 --delay 0.05 -- is_synced
  # The signal makes it run at once the housekeeping that it does once a second.
  for _ in 1 2 3; do kill -s USR1 "$pid"; done
  counted_all() {
    seen=$(grep -cE 'fdatasync.*= 0$' "$trace") counted=$(metric web_app_sync_duration_seconds_count)
    [ "$counted" = "$seen" ] || { echo "$counted syncs are counted, and $seen were made" && false; }
  }
  run try --max 100 --delay 0.05 -- counted_all
}

@test "the metric counts each fdatasync once, with several workers too, and nothing else" {
  metric_counts_syncs --workers 4
  assert_success
  stop_web_app
  DATA=$BATS_TEST_TMPDIR/other metric_counts_syncs --sync interval
  assert_success
}

@test "with --sync=none and interval a visit is acknowledged without waiting for a sync" {
  start_web_app --sync none
  visit 20 >/dev/null
  assert_equal "$(metric web_app_sync_duration_seconds_count)" 0
  stop_web_app
  DATA=$data start_web_app --sync interval
  visit 20 >/dev/null
  synced() { [ "$(metric web_app_sync_duration_seconds_count)" -ge 1 ]; }
  try --max 100 --delay 0.1 -- synced
}
