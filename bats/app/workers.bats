# Several event loops (--workers): they share one limit of connections, and a client is served whichever loop accepts it.

load ../lib/faults

# loops SCENE OPTION...: runs bats/tools/loops.py on the last started program.
loops() {
  run timeout 90 "$TOOLS/loops.py" "$1" --port "$port" --pid "$pid" --visits "$data/visits.txt" "${@:2}"
  echo "# $output" >&3
}

@test "clients that connect one by one can use the whole limit, and are spread over the loops" {
  start_web_app --workers 4 --max-connections 400
  loops spread --connections 400
  assert_success
  are_even
}

# are_even: each of the four loops has 80 to 120 of the 400 connections. They need not be equal: a loop that the machine
# keeps from running for a tenth of a second gets none in that time.
are_even() { awk '{ for (i = 6; i <= 9; i++) if ($i < 80 || $i > 120) exit 1 }' <<<"$output"; }

@test "control: a program whose loops keep the connections that they accept is found out" {
  mutant keeps-accepted-connections
  start_web_app --workers 4 --max-connections 400
  loops spread --connections 400
  run are_even
  assert_failure
}

@test "with as many loops as connections may be open, each client is served" {
  local workers
  for workers in 2 3; do
    start_web_app --workers "$workers" --max-connections 2
    loops second
    assert_success
  done
}

# full_loops [--lately]: one client more than the limit, once for each loop that has the connections to evict.
full_loops() {
  local loop
  for loop in 0 1 2; do
    start_web_app --workers 3 --max-connections 9
    loops full --connections 9 --idle "$loop" "$@"
    assert_success || return
    stop_web_app || return
  done
}

@test "at the limit one connection is evicted for one new client, whichever loop has it" {
  full_loops
}

@test "the evicted connection is one that has been idle for long, whichever loop has it" {
  full_loops --lately
}

@test "control: a program that prefers to evict connections of the accepting loop is found out" {
  mutant evicts-own-first
  is_found_out "closed 0 idle, 1 others" full_loops --lately
}

@test "control: a program that evicts only connections of the accepting loop is found out" {
  mutant evicts-only-own
  is_found_out "one client more got no response" full_loops
}

# stop_one_by_one: clients connect for each request while the loops without open requests stop. The loop that has half a
# request continues, so no client is refused.
stop_one_by_one() {
  local half many=100
  start_web_app --workers 4 --sync none --drain 60s
  visitor_in_background "$data.out" --connections 32 --seconds 4 --close
  try --max 200 --delay 0.05 -- visits_are -ge "$many" || return
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\n' >&"$half"
  try --max 200 --delay 0.05 -- visits_are -ge $(($(count_visits) + many)) || return
  kill "$pid"
  wait "$background" || return
  run cat "$BATS_TEST_TMPDIR/summary"
  assert_output --regexp '^acknowledged [0-9]+ refused 0 errors 0 unanswered 0$' || return
  assert_recorded "$data.out" || return
  printf '\r\n' >&"$half"
  assert_regex "$(timeout 10 cat <&"$half")" '^HTTP/1.1 200 OK' || return
  wait "$pid"
}

visits_are() { test "$(count_visits)" "$@"; }

@test "while the loops stop one after another, no connection is lost between two of them" {
  for _ in 1 2 3; do
    DATA=$(mktemp -d -p "$BATS_TEST_TMPDIR") stop_one_by_one
  done
}

@test "control: a program that passes connections to a stopped loop is found out" {
  mutant hands-over-to-stopped-loop
  is_found_out "acknowledged [0-9]+ refused 0 errors [1-9][0-9]* unanswered [1-9]" stop_one_by_one
}

# drains_backlog WORKERS: SIGTERM at the limit of 4 connections, with 40 clients in the backlog.
drains_backlog() {
  start_web_app --workers "$1" --max-connections 4 --drain 60s
  run timeout 120 "$TOOLS/loops.py" backlog --port "$port" --pid "$pid" --log "$log" --connections 4
}

@test "until the drain time is up, all clients in the backlog are served, though few fit in at a time" {
  local workers
  for workers in 1 3; do
    DATA=$(mktemp -d -p "$BATS_TEST_TMPDIR") drains_backlog "$workers"
    assert_success
    assert_output "all 40 in the backlog got a response"
    wait "$pid"
  done
}

@test "control: a program that ends its drain once no accepted connection is left is found out" {
  mutant drain-ends-with-own-connections
  drains_backlog 1
  assert_failure
}
