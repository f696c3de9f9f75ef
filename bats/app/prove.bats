# The verb prove: the real program visits real servers, while these are killed, hang, fill up, and come back with other
# data. bats/tools/audit.py counts each report anew from the ledger and the files.

load ../lib/mutants

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# start_prove [OPTION...]: visits the last started program in the background, 200 times a second, with the ledger
# `ledger` and the report `report.json`. Sets $prover.
start_prove() {
  in_background output "$WEB_APP" prove --rate 200 --ledger ledger --json report.json "$@" "http://127.0.0.1:$port/"
  prover=$background
}

has_lines() { [ "$(grep -c "^$1" ledger)" -ge "$2" ]; }

# wait_acknowledged N: waits until the ledger has N more acknowledged visits than now.
wait_acknowledged() {
  local now
  now=$(grep -c '^acknowledged' ledger) || true
  try --max 400 --delay 0.05 -- has_lines acknowledged $((now + $1)) || fail "$(cat output)"
}

# restarts_on DIRECTORY: the last started program is killed, and comes back on the same port with this directory.
restarts_on() {
  local servers
  servers=$(grep -c '^server' ledger)
  stop_web_app KILL || true
  [ $# = 1 ] || "${@:2}"
  DATA=$1 start_web_app --listen "127.0.0.1:$port"
  try --max 400 --delay 0.05 -- has_lines server $((servers + 1)) || fail "no restart was seen: $(cat output)"
}

# ends CODE REGEX [SIGNAL]: ends the prover by SIGTERM, or as given. It exits with CODE, the last line of its output matches,
# and audit.py agrees with the report.
ends() {
  local code=0
  [ "${3:-TERM}" = none ] || kill -s "${3:-TERM}" "$prover"
  wait "$prover" || code=$?
  assert_equal "$code $(tail -n 1 output)" "$1 $(jq -r .summary report.json)" || fail "$(cat output)"
  assert_regex "$(tail -n 1 output)" "$2" || return
  audited "$code"
}

no_visits_under_way() { [ "$(grep -c '^sent' ledger)" = "$(grep -cE '^(acknowledged|unknown|refused)' ledger)" ]; }

# ends_after_signal: a signal counts again once the visits under way have ended.
ends_after_signal() { ! kill "$prover" || [ "$(cut -d ' ' -f 3 "/proc/$prover/stat")" = Z ]; }

# have_passed MICROSECONDS: since $since.
have_passed() { [ $((${EPOCHREALTIME/./} - since)) -ge "$1" ]; }

# audited CODE: the report is right. A ledger in which nothing happened does not stay.
audited() {
  local file=()
  [ -e ledger ] || : >ledger
  [ "$(jq '[.pods[] | select(.read)] | length' report.json)" = 0 ] || file=("$(jq -r '.pods[0].name' report.json)=$data/visits.txt")
  run "$TOOLS/audit.py" ledger report.json "$1" "${file[@]}"
  assert_success
}

holds_connections() { [ "$(metric web_app_connections)" -ge "$1" ]; }

@test "a plain run is proven, over new connections, kept ones and both" {
  local connections visits=3
  start_web_app
  visit 3 >/dev/null
  for connections in new kept both; do
    rm -f ledger
    start_prove --for 1s --connections "$connections"
    [ "$connections" = new ] || try --max 100 --delay 0.01 -- holds_connections 4
    ends 0 '^PROVEN: [0-9]+ acknowledged visits are in the file of 1 pod, each once and on its line, but no fault was seen$' none
    assert_equal "$(jq -c '[.targets[].connections]' report.json)" "$(jq -cn --arg kind "$connections" '{both: ["new", "kept"]}[$kind] // [$kind]')"
    assert [ "$(jq '[.targets[].due] | add' report.json)" -ge 100 ]
    visits=$((visits + $(grep -c '^acknowledged' ledger)))
  done
  assert_visits "$visits"
}

# resumes: two runs of 1 s, the second one with --resume, add up.
resumes() {
  start_web_app
  visit 3 >/dev/null
  start_prove --for 1s
  ends 0 '^PROVEN: ' none
  first=$(jq '.pods[0].acknowledged' report.json)
  run --separate-stderr web_app prove --for 1s --ledger ledger "http://127.0.0.1:$port/"
  assert_complaint 2 'the ledger ledger exists: go on with --resume, compare with --check, or name another with --ledger$' || return
  printf 'sent\t17' >>ledger # torn when the prover was killed
  stop_web_app || return
  DATA=$data start_web_app --listen "127.0.0.1:$port"
  start_prove --for 1s --resume
  ends 0 '^PROVEN: .* through 1 restart and ' none || return
  assert [ "$(jq '.pods[0].acknowledged' report.json)" -gt $((first + 100)) ] || return
  assert_equal "$(cut -f 3 <(grep '^sent' ledger) | sort | uniq -d)" "" || return
  assert_visits $(($(grep -c '^acknowledged' ledger) + 3))
}

@test "an existing ledger is refused; with --resume it goes on, and the visits of both runs are proven" { resumes; }

@test "SIGTERM and SIGINT end the visits, and the verdict follows" {
  local signal
  start_web_app
  for signal in TERM INT; do
    rm -f ledger
    start_prove
    wait_acknowledged 50
    ends 0 '^PROVEN: ' "$signal"
  done
}

@test "a server that is killed and comes back with its data is proven, with a gap and a restart" {
  start_web_app
  start_prove --alone --require-fault
  wait_acknowledged 100
  restarts_on "$data"
  wait_acknowledged 50
  ends 0 '^PROVEN: [0-9]+ acknowledged visits are in the file of 1 pod, each once and on its line, through 1 restart and [12] gaps?, the longest of '
  assert grep -qE '^web-app: .*: a gap begins: (connection refused|cut)$' output
  assert grep -qE '^web-app: .*: the gap ends after [0-9.]+ m?s$' output
  assert grep -qE '^web-app: pod .*: a new process runs since ' output
  assert [ "$(jq '[.targets[].longest_gap_us] | max' report.json)" -ge 1000 ]
  # The same ledger is over a budget of none.
  run web_app prove --check ledger --max-gap 0ms "http://127.0.0.1:$port/"
  assert_failure 4
  assert_line --index -1 --regexp '^OVER BUDGET: a gap of .* is longer than --max-gap'
}

@test "a server that comes back with an empty volume is wiped, and its numbers go back at once" {
  start_web_app
  visit 20 >/dev/null
  start_prove
  wait_acknowledged 100
  restarts_on "$BATS_TEST_TMPDIR/empty"
  wait_acknowledged 50
  try --max 100 --delay 0.05 -- grep -qE '^web-app: pod .*: its numbers went back: 1 after [0-9]+ had been acknowledged$' output
  # Also when the new numbers have passed the old ones.
  ends 3 '^LOST: [0-9]+ of [0-9]+ acknowledged visits; pod .*: wiped: its file begins anew at .*, its numbers went back from '
}

@test "a server that comes back with an older copy of its volume is rolled back" {
  start_web_app
  visit 20 >/dev/null
  start_prove
  wait_acknowledged 100
  # The copy is older than the baseline.
  mkdir older
  head -n 10 "$data/visits.txt" >older/visits.txt
  restarts_on "$BATS_TEST_TMPDIR/older"
  wait_acknowledged 50
  ends 3 '^LOST: [0-9]+ of [0-9]+ acknowledged visits; pod .*: rolled back to line 10 of '
}

@test "a server that comes back with another volume is found out" {
  start_web_app
  visit 20 >/dev/null
  start_prove
  wait_acknowledged 100
  mkdir other
  yes "2022-11-28 22:54:26.913511+03:00" | head -n 1000 >other/visits.txt
  restarts_on "$BATS_TEST_TMPDIR/other"
  wait_acknowledged 50
  ends 3 '^LOST: [0-9]+ of [0-9]+ acknowledged visits; pod .*: another volume: its file begins with 2022-11-28 22:54:26.913511\+03:00 and not with '
}

# loses_a_line: a visit is taken out of the file while the server is down.
loses_a_line() {
  start_web_app
  start_prove
  wait_acknowledged 100
  restarts_on "$data" sed -i 50d "$data/visits.txt"
  wait_acknowledged 20
  ends 3 '^LOST: 1 of [0-9]+ acknowledged visits; pod .*: ' || return
  assert_equal "$(jq -c '.pods[0].lost_numbers' report.json)" '[[50,50]]'
}

@test "a visit that is missing after a restart is lost" { loses_a_line; }

# has_sent N: the ledger has at least N visits more that were sent than that were acknowledged.
has_sent() { [ "$(grep -c '^sent' ledger)" -ge $(($(grep -c '^acknowledged' ledger) + $1)) ]; }

# hangs: the server responds to nobody for longer than a visit waits.
hangs() {
  start_web_app
  start_prove --timeout 200ms --alone
  wait_acknowledged 50
  kill -STOP "$pid"
  try --max 200 --delay 0.05 -- has_sent 100
  kill -CONT "$pid"
  wait_acknowledged 50
  ends 0 '^PROVEN: .* through 0 restarts and [1-9][0-9]* gaps' || return
  assert [ "$(jq '.pods[0].unknown_recorded' report.json)" -ge 5 ] || return
  assert [ "$(jq '[.targets[].longest_gap_us] | max' report.json)" -ge 200000 ]
}

@test "a server that hangs is a gap, and the visits that it records late are nobody else's" { hangs; }

@test "control: a prover that sends a visit again is found out" {
  mutant retries-under-same-id
  run hangs
  assert_failure
  assert_output --regexp 'LOST: 0 of .* of nobody'
}

# late_visits_are_measured: the prober stands still for half a second. Visits that are due for less than 100 ms then are
# made, and have waited; the others are missed.
late_visits_are_measured() {
  start_web_app
  rm -f ledger # of another attempt
  start_prove
  wait_acknowledged 50
  kill -STOP "$prover"
  since=${EPOCHREALTIME/./}
  try --max 100 --delay 0.05 -- have_passed 500000
  kill -CONT "$prover"
  try --max 200 --delay 0.05 -- has_lines missed 1
  ends 0 '^PROVEN: ' || return
  assert [ "$(jq '[.targets[].missed] | add' report.json)" -ge 20 ] || return
  run jq -c '[.targets[].max_us >= 50000] | unique' report.json
  assert_output '[true]'
}

@test "latency counts from when a visit was due, and what the prober missed is counted as such" { late_visits_are_measured; }

@test "control: a prober that counts latency from when it sends is found out" {
  mutant counts-latency-from-sending
  is_found_out 'expected : .true.' late_visits_are_measured
}

@test "visits that a full disk refuses are refused, and none of them is a loss" {
  requires root command:prlimit
  start_web_app
  start_prove --alone
  wait_acknowledged 50
  prlimit --pid "$pid" --fsize=$(($(wc -c <"$data/visits.txt") + 10)):unlimited
  try --max 200 --delay 0.05 -- has_lines refused 20
  prlimit --pid "$pid" --fsize=unlimited:unlimited
  wait_acknowledged 50
  ends 0 '^PROVEN: '
  assert [ "$(jq '[.targets[].refused] | add' report.json)" -ge 20 ]
  run web_app prove --check ledger --max-refused 3 "http://127.0.0.1:$port/"
  assert_failure 4
}

@test "the ledger of a prover that was killed is checked later" {
  start_web_app
  start_prove
  wait_acknowledged 100
  kill -KILL "$prover"
  wait "$prover" || true
  run web_app prove --check ledger --json report.json --alone "http://127.0.0.1:$port/"
  assert_success
  assert_line --index -1 --regexp '^PROVEN: '
  audited 0
  # Offline too.
  "$WEB_APP" visits --raw --data-dir "$data" >visits
  run web_app prove --check ledger --file "$(jq -r '.pods[0].name' report.json)=visits" --alone
  assert_success
}

@test "a ledger on stdout, as in the log of a pod, is a ledger" {
  start_web_app
  in_background log "$WEB_APP" prove --rate 200 --for 1s --ledger - "http://127.0.0.1:$port/"
  wait "$background"
  assert_regex "$(tail -n 1 log)" '^PROVEN: [0-9]+ acknowledged'
  mv log ledger
  run web_app prove --check ledger --json report.json "http://127.0.0.1:$port/"
  assert_success
  assert_equal "$(jq '.pods[0].acknowledged' report.json)" "$(grep -c '^acknowledged' ledger)"
}

@test "a server that does not respond is said at once, and proves nothing" {
  start_web_app
  stop_web_app
  start_prove --wait 1500ms
  try --max 20 --delay 0.05 -- grep -qF "web-app: http://127.0.0.1:$port/: connection refused; waiting for up to 1.5 s" output
  kill -0 "$prover" # it still waits
  ends 1 '^NOT PROVEN: .* did not respond at the beginning' none
  rm -f ledger
  in_background output "$WEB_APP" prove --ledger ledger --json report.json --wait 10m http://unknown.invalid/
  prover=$background
  try --max 600 --delay 0.05 -- grep -q '^web-app: http://unknown.invalid/: .*; waiting for up to 10 min' output
  ends 1 '^NOT PROVEN: '
}

@test "a server that is late is waited for" {
  start_web_app
  stop_web_app
  start_prove --for 500ms
  try --max 100 --delay 0.05 -- grep -q "waiting for up to" output
  DATA=$data start_web_app --listen "127.0.0.1:$port"
  ends 0 '^PROVEN: .*no fault was seen$' none
}

@test "a server that is no web-app proves nothing, at once" {
  mkdir page
  in_background server python3 -u -m http.server --bind 127.0.0.1 --directory page 0
  try --max 100 --delay 0.05 -- grep -q 'port [0-9]' server
  port=$(sed -n 's/.* port \([0-9]*\) .*/\1/p' server)
  start_prove
  ends 1 '^NOT PROVEN: .*no web-app' none
  echo '{"name": "other", "pod": "x"}' >page/version
  rm -f ledger
  start_prove
  ends 1 '^NOT PROVEN: .*no web-app' none
}

@test "a pod that does not come back is not proven, and not lost; a second signal ends the wait" {
  start_web_app
  start_prove --wait 500ms
  wait_acknowledged 50
  stop_web_app KILL || true
  ends 1 '^NOT PROVEN: the file of .* could not be read.*--check'
  rm -f ledger
  DATA=$data start_web_app --listen "127.0.0.1:$port"
  start_prove --wait 10m
  wait_acknowledged 50
  stop_web_app KILL || true
  kill "$prover"
  try --max 200 --delay 0.05 -- no_visits_under_way
  kill -0 "$prover"
  try --max 200 --delay 0.05 -- ends_after_signal
  ends 1 '^NOT PROVEN: the file of .* could not be read' none
  # The next day.
  DATA=$data start_web_app --listen "127.0.0.1:$port"
  run web_app prove --check ledger "http://127.0.0.1:$port/"
  assert_success
}

@test "a pod that comes back within the wait is read" {
  start_web_app
  start_prove --wait 1m
  wait_acknowledged 50
  stop_web_app KILL || true
  kill "$prover"
  try --max 200 --delay 0.05 -- no_visits_under_way
  DATA=$data start_web_app --listen "127.0.0.1:$port"
  ends 0 '^PROVEN: ' none
}

# full_ledger: the ledger may have a few lines, and no more.
full_ledger() {
  start_web_app
  local code=0
  (ulimit -f 8 && exec timeout 30 "$WEB_APP" prove --rate 200 --ledger ledger --for 20s "http://127.0.0.1:$port/" >output 2>&1) 3>&- || code=$?
  assert_equal "$code" 1 || fail "$(cat output)" || return
  assert_regex "$(tail -n 1 output)" '^NOT PROVEN: the ledger could not be written'
}

@test "a ledger whose disk is full is said, and proves nothing" {
  full_ledger
  # What it has is true.
  run web_app prove --check ledger --alone "http://127.0.0.1:$port/"
  assert_success
  run web_app prove --ledger - --for 5s "http://127.0.0.1:$port/" >/dev/full
  run bash -c '"$1" prove --ledger - --for 5s "$2" >/dev/full' full "$WEB_APP" "http://127.0.0.1:$port/"
  assert_failure 1
  assert_output --partial "ledger could not be written"
  run --separate-stderr web_app prove --ledger /absent/ledger --for 1s "http://127.0.0.1:$port/"
  assert_complaint 1 'cannot create the ledger /absent/ledger: No such file or directory'
}

# pod NAME [OPTION...]: starts the program with this host name.
pod() {
  printf '#!/bin/sh\nhostname %s && exec "$@"\n' "$1" >"as-$1"
  chmod +x "as-$1"
  DATA=$BATS_TEST_TMPDIR/$1 IN_FRONT="unshare --uts ./as-$1" start_web_app "${@:2}"
}

@test "of two pods, the one that has lost visits is named" {
  requires root
  pod web-0 --listen 127.0.0.1:0
  pod web-1 --listen "127.0.0.2:$port"
  visit 5 >/dev/null # to web-1
  in_background output "$WEB_APP" prove --rate 200 --ledger ledger --json report.json "http://127.0.0.{1..2}:$port/"
  prover=$background
  wait_acknowledged 100
  stop_web_app KILL || true
  : >"$data/visits.txt"
  pod web-1 --listen "127.0.0.2:$port"
  wait_acknowledged 300
  kill "$prover"
  code=0
  wait "$prover" || code=$?
  assert_equal "$code" 3
  assert_regex "$(tail -n 1 output)" '^LOST: [0-9]+ of [0-9]+ acknowledged visits; pod web-1: wiped'
  run "$TOOLS/audit.py" ledger report.json 3 web-0=web-0/visits.txt web-1=web-1/visits.txt
  assert_success
  assert_equal "$(jq -c '[.pods | sort_by(.name)[] | [.name, .lost > 0]]' report.json)" '[["web-0",false],["web-1",true]]'
}

@test "a name is all of its addresses, also those that come later, and each pod is filed by its own name" {
  requires root
  local hosts=$BATS_TEST_TMPDIR/hosts
  pod web-0 --listen 127.0.0.1:0
  pod web-1 --listen "127.0.0.2:$port"
  pod web-2 --listen "127.0.0.3:$port"
  printf '127.0.0.%d web.test\n' 1 2 >hosts
  # shellcheck disable=SC2016 # the inner shell expands it
  in_background output unshare --mount sh -c 'mount --bind "$1" /etc/hosts && shift && exec "$@"' in-hosts "$hosts" \
    "$WEB_APP" prove --rate 200 --ledger ledger --json report.json "http://web.test:$port/"
  prover=$background
  wait_acknowledged 100
  assert_equal "$(awk '$1 == "acknowledged" { print $5 }' ledger | sort -u | paste -sd ' ')" "web-0 web-1"
  echo "127.0.0.3 web.test" >>hosts
  visits_third() { grep -q '^acknowledged.*web-2' ledger; }
  try --max 200 --delay 0.05 -- visits_third
  kill "$prover"
  wait "$prover"
  assert_regex "$(tail -n 1 output)" '^PROVEN: [0-9]+ acknowledged visits are in the files of 3 pods'
  "$TOOLS/audit.py" ledger report.json 0 web-0=web-0/visits.txt web-1=web-1/visits.txt web-2=web-2/visits.txt
}

# witnessed: the server is killed while prove and visitor.py visit it.
witnessed() {
  start_web_app
  visitor_in_background out --connections 4 --seconds 60 --reconnect
  local visitor=$background
  start_prove
  for _ in 1 2 3; do
    wait_acknowledged 30
    restarts_on "$data"
  done
  wait_acknowledged 30
  kill "$visitor"
  wait "$visitor"
  assert [ "$(wc -l <out)" -ge 100 ] || return
  assert_recorded out || return
  code=0
  kill "$prover"
  wait "$prover" || code=$?
  assert_equal "$code" 0 || fail "$(cat output)" || return
  run "$TOOLS/agree.py" "$WEB_APP" ledger out "$data/visits.txt"
  assert_success
}

@test "the Python tools and prove agree under kill -9: nothing is lost, or which visits are" {
  witnessed
  assert_line --regexp '^prove [0-9]+ visits, wrong \[\], by prove 0 \[\]$'
  assert_line --regexp '^visitor [0-9]+ visits, wrong \[\], by prove 0 \[\]$'
  # One visit of each is damaged.
  local own other
  own=$(awk '$1 == "acknowledged" && ++n == 40 { print $6 }' ledger)
  other=$(sed -n 40p out | cut -f 1)
  sed "$own,${own}s/:/;/;$other,${other}s/:/;/" "$data/visits.txt" >damaged
  run "$TOOLS/agree.py" "$WEB_APP" ledger out damaged
  assert_success
  assert_line --regexp "^prove [0-9]+ visits, wrong \\[$own\\], by prove 1 \\[$own\\]\$"
  assert_line --regexp "^visitor [0-9]+ visits, wrong \\[$other\\], by prove 1 \\[$other\\]\$"
  # A line is missing.
  sed "${own}d" "$data/visits.txt" >damaged
  run "$TOOLS/agree.py" "$WEB_APP" ledger out damaged
  assert_success
  assert_line --regexp "^prove [0-9]+ visits, wrong \\[$own, .* by prove [0-9]+ \\[$own\\]\$"
}
