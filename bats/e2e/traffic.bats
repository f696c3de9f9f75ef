# The way of visits to the pods, their lines in the files, and the metrics of both. All tests share one installation.

load ../lib/cluster
load ../lib/metrics

setup_file() {
  start_file traffic
  start_client visitor
  install
}

teardown_file() { end_file; }

visit_by_name() {
  local count
  for ((count = 0; count < $2; count++)); do
    check_from visitor "http://$1.chart-web-app-headless:8080/" >/dev/null
  done
}

@test "a visit to a pod's own name reaches that pod only" {
  visit_by_name chart-web-app-0 1
  visit_by_name chart-web-app-1 2
  visit_by_name chart-web-app-2 3
  assert_visits chart-web-app-0 1
  assert_visits chart-web-app-1 2
  assert_visits chart-web-app-2 3
  # Negative control: one more visit is noticed.
  visit chart-web-app-1
  run assert_visits chart-web-app-1 2
  assert_failure
}

# lines_of_all: prints the number of visits of each pod, on one line.
lines_of_all() {
  local pod
  for pod in chart-web-app-{0,1,2}; do count_visits "$pod"; done | xargs
}

sum() { tr ' ' '\n' <<<"$*" | awk '{ sum += $1 } END { print sum }'; }

@test "visits to the Service are spread over the pods, and add up" {
  local before after count
  read -ra before <<<"$(lines_of_all)"
  for ((count = 0; count < 24; count++)); do
    check_from visitor http://chart-web-app/ >/dev/null
  done
  read -ra after <<<"$(lines_of_all)"
  echo "before: ${before[*]}, after: ${after[*]}"
  assert_equal $(($(sum "${after[@]}") - $(sum "${before[@]}"))) 24
  local visited=0
  for count in 0 1 2; do [ "${after[count]}" = "${before[count]}" ] || visited=$((visited + 1)); done
  # All on one of three pods: once in 3^23 runs.
  assert [ "$visited" -gt 1 ]
}

@test "control: with session affinity one visitor stays on one pod" {
  local before after count visited=0
  helm upgrade chart "$CHART" --set service.sessionAffinity=ClientIP --wait --timeout 60s >/dev/null
  try --max 30 --delay 1 -- visits_stay_on_one
  helm upgrade chart "$CHART" --wait --timeout 60s >/dev/null
}

visits_stay_on_one() {
  local before after count visited=0
  read -ra before <<<"$(lines_of_all)"
  for ((count = 0; count < 8; count++)); do
    check_from visitor http://chart-web-app/ >/dev/null
  done
  read -ra after <<<"$(lines_of_all)"
  for count in 0 1 2; do [ "${after[count]}" = "${before[count]}" ] || visited=$((visited + 1)); done
  [ "$visited" = 1 ]
}

@test "under concurrent load each acknowledged visit is one whole line, in order" {
  requires_nodes
  local before address visitor
  before=$(count_all_visits)
  address=$(field service/chart-web-app .spec.clusterIP)
  for visitor in 1 2 3; do visitors_start "fresh$visitor" "$address" 80 fresh; done
  for visitor in 1 2; do visitors_start "kept$visitor" "$address" 80 kept; done
  try --max 120 --delay 0.5 -- responded_at_least 400
  visitors_stop
  assert_all_acknowledged "$RESPONSES"
  assert_responses_recorded "$RESPONSES" "$before"
  echo "$(wc -l <"$RESPONSES") visits acknowledged, by pod: $(sed 's/ [0-9]*$//' "$RESPONSES" | jq -r .pod | sort | uniq -c | xargs)"

  # Negative control: a lost visit, a visit that is not in the file, and a torn line are noticed.
  run assert_responses_recorded "$RESPONSES" $((before + 1))
  assert_failure
  printf '{"visit": 1, "time": "2000-01-01 00:00:00.000000+03:00", "pod": "chart-web-app-0"} 200\n' >"$BATS_TEST_TMPDIR/false"
  run assert_pod_recorded "$BATS_TEST_TMPDIR/false" chart-web-app-0
  assert_failure
  assert_output --partial "acknowledged visits that are not in its file"
  visits chart-web-app-0 | head -c -2 >"$BATS_TEST_TMPDIR/torn"
  run assert_visits_whole "$BATS_TEST_TMPDIR/torn"
  assert_failure
}

responded_at_least() {
  [ "$(cat "$BATS_TEST_TMPDIR"/{fresh,kept}*.responses | wc -l)" -ge "$1" ]
}

@test "the metrics are well formed and agree with the files" {
  local pod
  visit chart-web-app-0 2
  for pod in chart-web-app-{0,1,2}; do
    admin "$pod" /metrics >"$BATS_TEST_TMPDIR/metrics"
    promtool check metrics <"$BATS_TEST_TMPDIR/metrics"
    visits "$pod" >"$BATS_TEST_TMPDIR/$pod.visits"
    assert_equal "$(metric "$pod" web_app_visits_file_bytes)" "$(stat -c %s "$BATS_TEST_TMPDIR/$pod.visits")"
  done
  # Negative control: promtool refuses a malformed line.
  { cat "$BATS_TEST_TMPDIR/metrics" && echo 'web_app_visits_total{ 3'; } >"$BATS_TEST_TMPDIR/malformed"
  run promtool check metrics <"$BATS_TEST_TMPDIR/malformed"
  assert_failure
}

# scrape_pods: starts Prometheus, with the forwarded admin port of each pod as a target.
scrape_pods() {
  local pod targets=''
  for pod in chart-web-app-{0,1,2}; do
    forward "pod/$pod" 8081
    targets="$targets{targets: ['127.0.0.1:$FORWARD'], labels: {pod: $pod}}, "
  done
  printf 'global: {scrape_interval: 1s}\nscrape_configs: [{job_name: web-app, static_configs: [%s]}]\n' "${targets%, }" \
    >"$BATS_TEST_TMPDIR/prometheus.json"
  start_prometheus
  FORWARDS+=("$background")
}

query() {
  prometheus_get query --get --data-urlencode "query=$1" |
    jq -er '[.result[] | "\(.metric.pod)=\(.value[1])"] | sort | join(" ")'
}

query_says() { [ "$(query "$1")" = "$2" ]; }

@test "a Prometheus scrapes every pod, and its values agree with the files" {
  local pod expected
  scrape_pods
  try --max 60 --delay 0.5 -- query_says up "chart-web-app-0=1 chart-web-app-1=1 chart-web-app-2=1"
  visit chart-web-app-1 5
  expected=$(for pod in chart-web-app-{0,1,2}; do echo "$pod=$(visits "$pod" | wc -c)"; done | xargs)
  try --max 20 --delay 0.5 -- query_says web_app_visits_file_bytes "$expected"
  # The counter starts at 0 with the process, so its growth is compared.
  local before
  before=$(query 'web_app_visits_total{pod="chart-web-app-2"}')
  visit chart-web-app-2 3
  try --max 20 --delay 0.5 -- query_says 'web_app_visits_total{pod="chart-web-app-2"}' "chart-web-app-2=$((${before#*=} + 3))"
}
