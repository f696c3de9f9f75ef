# The metrics that /metrics exports, and their documentation.
# shellcheck disable=SC2154 # start_web_app sets port and admin_port

load ../lib/faults

teardown() {
  stop_started
  unmount_all
  refute_sanitizer
}

# exported_metrics: the name and type of each metric of /metrics, one metric a line.
exported_metrics() { admin /metrics | awk '/^# TYPE / { print $3, $4 }' | LC_ALL=C sort; }

# waits_for_volume: its metrics are there within about a second after the start.
waits_for_volume() { try --max 100 --delay 0.05 -- metric web_app_volume_size_bytes >/dev/null; }

# metric_is NAME VALUE: compares the value, for `try`: what happens after a response may be counted a moment later.
metric_is() { [ "$(metric "$1")" = "$2" ]; }

# becomes NAME VALUE: waits until the metric has that value.
becomes() { try --max 200 --delay 0.05 -- metric_is "$1" "$2" || fail "$1 is $(metric "$1"), not $2"; }

@test "the README's table of metrics is that of /metrics" {
  start_web_app
  waits_for_volume
  run awk -F '|' '/<!-- \/metrics -->/ { inside = 0 }
    inside && /^\| `/ { gsub(/[` ]/, ""); print $2, $3 | "LC_ALL=C sort" }
    /<!-- metrics -->/ { inside = 1 }' "$ROOT/README.md"
  assert_success
  assert_equal "$output" "$(exported_metrics)"
}

# assert_visits_counted ACKNOWLEDGED: so many visits were acknowledged since the start.
assert_visits_counted() {
  becomes web_app_visit_duration_seconds_count "$1" || return
  metric_is web_app_visit_duration_seconds_bucket\{le=\"+Inf\"\} "$1" || return
  becomes web_app_sync_batch_visits_sum "$1"
}

@test "the numbers of visits are those of the file and of the visitors, with each --sync" {
  for sync in always interval none; do
    data=$BATS_TEST_TMPDIR/$sync
    mkdir "$data"
    yes "2022-11-28 22:54:26.913511+03:00" | head -n 3 >"$data/visits.txt"
    DATA=$data start_web_app --sync "$sync" --workers 2
    run visitor "$BATS_TEST_TMPDIR/$sync.out" --connections 8 --requests 500
    assert_output "acknowledged 500 refused 0 errors 0 unanswered 0"
    assert_visits_counted 500
    assert_equal "$(metric web_app_http_requests_total\{path=\"/\",code=\"200\"\})" 500
    # HEAD is no visit.
    get / --head >/dev/null
    becomes web_app_http_requests_total\{path=\"/\",code=\"200\"\} 501
    assert_visits_counted 500
    assert_equal "$(metric web_app_visits_total)" "$(wc -l <"$data/visits.txt")"
    assert_equal "$(metric web_app_visits_file_bytes)" "$(stat -c %s "$data/visits.txt")"
    assert_equal "$(metric web_app_visits_total)" 503
    stop_web_app
  done
}

# refuses_one: of two visits the first is refused, since the file was removed.
refuses_one() {
  start_web_app
  rm "$data/visits.txt"
  assert_equal "$(status_of /)" 503 || return
  becomes web_app_visit_errors_total\{reason=\"changed\"\} 1 || return
  becomes web_app_visit_log_state\{state=\"open\"\} 1 || return
  visit >/dev/null
  assert_visits_counted 1
}

@test "a visit that is refused is an error, and no duration" { refuses_one; }

@test "control: a program that counts refused visits as acknowledged is found out" {
  mutant times-refused-visits
  run refuses_one
  assert_failure
  assert_output --partial "web_app_visit_duration_seconds_count is 2, not 1"
}

# syncs_slowly: the duration of a visit whose sync takes 300 ms.
syncs_slowly() {
  requires command:strace || return
  IN_FRONT="strace -D -f --seccomp-bpf -qq -o /dev/null -e trace=fdatasync -e inject=fdatasync:delay_exit=300000" start_web_app || return
  visit >/dev/null
  becomes web_app_visit_duration_seconds_count 1 || return
  assert_equal "$(metric web_app_visit_duration_seconds_bucket\{le=\"0.25\"\})" 0 || return
  assert_equal "$(metric web_app_visit_duration_seconds_bucket\{le=\"10\"\})" 1
}

# bats test_tags=native
@test "the duration of a visit includes its sync" { syncs_slowly; }

# bats test_tags=native
@test "control: a program whose durations begin after the sync is found out" {
  mutant times-visits-from-commit
  run syncs_slowly
  assert_failure
  assert_output --partial "expected : 0"
}

@test "each eviction is counted, beside the limit" {
  start_web_app --max-connections 10
  assert_equal "$(metric web_app_connections_max)" 10
  in_background "$BATS_TEST_TMPDIR/idle" "$TOOLS/slow.py" --port "$port" --connections 10 --kind idle
  becomes web_app_connections 10
  assert_equal "$(metric web_app_connections_evicted_total)" 0
  visit >/dev/null
  assert_equal "$(metric web_app_connections_evicted_total)" 1
  # Now there is room.
  becomes web_app_connections 9
  visit >/dev/null
  assert_equal "$(metric web_app_connections_evicted_total)" 1
}

@test "listings are counted while they are sent, and if they end early, in each format" {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  yes "2022-11-28 22:54:26.913511+03:00" | head -n 200000 >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  local format aborted=0
  for format in text raw json csv html; do
    in_background "$BATS_TEST_TMPDIR/reader" "$TOOLS/slow.py" --port "$port" --connections 3 --kind reader \
      --path "/visits?format=$format&tail=200000"
    becomes web_app_listings 3
    kill -KILL "$background"
    aborted=$((aborted + 3))
    becomes web_app_listings_aborted_total "$aborted"
    becomes web_app_listings 0
    get "/visits?format=$format" >/dev/null
    get "/visits?format=$format" --head >/dev/null
    becomes web_app_listings 0
    assert_equal "$(metric web_app_listings_aborted_total)" "$aborted"
  done
}

@test "readiness and the state of the file are exported, and change with them" {
  start_web_app
  local first=$pid
  assert_equal "$(metric web_app_ready)" 1
  assert_equal "$(metric web_app_visit_log_state\{state=\"open\"\})" 1
  assert_equal "$(metric web_app_visit_log_state\{state=\"closed\"\})" 0
  # A second process on the same file waits for the first.
  DATA=$data start_web_app
  assert_equal "$(metric web_app_ready)" 0
  assert_equal "$(metric web_app_visit_log_state\{state=\"closed\"\})" 1
  assert_equal "$(admin /metrics | grep -c '^web_app_volume')" 0
  kill "$first"
  becomes web_app_ready 1
  becomes web_app_visit_log_state\{state=\"open\"\} 1
  # While it drains it is not ready.
  exec {open}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost' >&"$open"
  becomes web_app_connections 1
  kill "$pid"
  becomes web_app_ready 0
  exec {open}>&-
}

# bats test_tags=native
@test "the space of the volume is that of df, before and after it is filled" {
  requires root
  volume tmpfs 1M
  DATA=$volume/data start_web_app
  waits_for_volume
  assert_equal "$(metric web_app_volume_size_bytes)" 1048576
  becomes web_app_volume_available_bytes "$(df -B1 --output=avail "$volume" | tail -n 1)"
  dd if=/dev/zero of="$volume/other" bs=4096 count=100 status=none
  becomes web_app_volume_available_bytes "$(df -B1 --output=avail "$volume" | tail -n 1)"
}
