# Grafana's dashboard: each field by Grafana's schema, and each expression by a real Prometheus that scrapes the program.
# shellcheck disable=SC2154 # start_web_app sets port, admin_port, data and pid

load ../lib/chart
load ../lib/metrics
load ../lib/mutants

readonly PODS=(chart-web-app-0 chart-web-app-1 chart-web-app-2)

# conforms_to_grafana FILE
conforms_to_grafana() { run dashboard "$1"; }

@test "the dashboard has only fields and values of Grafana's schema, each panel its place, its id and its description" {
  render --set grafanaDashboard.enabled=true
  rendered ConfigMap/chart-web-app-dashboard '.data["chart-web-app.json"]' >"$BATS_TEST_TMPDIR/dashboard.json"
  conforms_to_grafana "$BATS_TEST_TMPDIR/dashboard.json"
  assert_success
  assert_output ""
}

@test "control: a wrong field, value, place or id of the dashboard is found out" {
  local edit complaint
  while IFS='|' read -r complaint edit; do
    jq "$edit" "$CHART/dashboards/web-app.json" >"$BATS_TEST_TMPDIR/wrong.json"
    conforms_to_grafana "$BATS_TEST_TMPDIR/wrong.json"
    assert_failure
    assert_line --partial "$complaint"
  done <<'TABLE'
unexpected field 'titel'|.titel = .title
unexpected field 'grid'|.panels[1].grid = 1
unexpected field 'expression'|.panels[1].targets[0].expression = "up"
unexpected field 'units'|.panels[1].fieldConfig.defaults.units = "s"
unexpected field 'colour'|.panels[1].options.colour = "red"
unexpected field 'fill'|(.panels[] | select(.type == "timeseries") | .fieldConfig.defaults).custom.fill = 1
unexpected field 'match'|.templating.list[1].match = "x"
options.graphMode: required field is missing|del(.panels[1].options.graphMode)
options.graphMode: areas is no|.panels[1].options.graphMode = "areas"
list[1].refresh: 9 is no|.templating.list[1].refresh = 9
its unit is none|.panels[1].fieldConfig.defaults.unit = "seconds"
its data source is not the variable|.panels[1].datasource.uid = "prometheus"
another panel has its id 2|.panels[2].id = 2
another panel has its title|.panels[2].title = .panels[1].title
it overlaps another panel|.panels[2].gridPos.x -= 1
it does not fit into 24 columns|.panels[6].gridPos.x += 1
it is not described in sentences|del(.panels[1].description)
a query has no refId of its own|.panels[1].targets[1].refId = "A"
its queries are instant|.panels[1].targets[1].instant = false
its queries are instant|del(.panels[1].targets[0].range)
is of a type that is not checked here|.panels[1].type = "graph"
TABLE
}

# promql_holds FILE: where two jobs scrape the same pod, the panels of FILE show its one state and no restart. When no pod is
# scraped any more, none is ready.
promql_holds() {
  jq '
    def labels($job): "{namespace=\"test\",pod=\"chart-web-app-0\",instance=\"a\",job=\"\($job)\"";
    def expression($title): .panels[] | select(.title == $title) | .targets[0].expr | gsub("\\$(namespace|job|pod)"; ".*");
    def shows($title; $value):
      {expr: expression($title), eval_time: "10m", exp_samples: [{labels: "{namespace=\"test\",pod=\"chart-web-app-0\"}", value: $value}]};
    def shows_now($title; $time; $value): {expr: expression($title), eval_time: $time, exp_samples: [{labels: "{}", value: $value}]};
    {tests: [{
      interval: "1m",
      input_series: [("chart-web-app-headless", "pods") | labels(.) as $labels
        | {series: "process_start_time_seconds\($labels)}", values: "100x10"},
          {series: "web_app_ready\($labels)}", values: "1x5 stale"},
          ({open: 1, stale: 0, failed: 0} | to_entries[]
            | {series: "web_app_visit_log_state\($labels),state=\"\(.key)\"}", values: "\(.value)x10"})],
      promql_expr_test: [shows("State of the log of visits"; 1), shows("Restarts in an hour"; 0),
        shows_now("Pods ready"; "5m"; 1), shows_now("Pods ready"; "6m"; 0)]
    }]}' "$1" >"$BATS_TEST_TMPDIR/promql.json"
  run promtool test rules "$BATS_TEST_TMPDIR/promql.json"
}

@test "a pod that two jobs scrape has one state, and has not restarted for that; pods that are gone are not ready" {
  promql_holds "$CHART/dashboards/web-app.json"
  assert_success
}

@test "control: a panel that shows nothing of pods that are gone is found out" {
  sed 's/ or vector(0)//' "$CHART/dashboards/web-app.json" >"$BATS_TEST_TMPDIR/other.json"
  promql_holds "$BATS_TEST_TMPDIR/other.json"
  assert_failure
  assert_output --partial 'web_app_ready'
}

# serve_pods: three programs with the names and labels that the chart gives its pods, and Prometheus, which scrapes them. Sets
# $ports, $data_of and $pids, a list each.
serve_pods() {
  local number
  ports=() data_of=() pids=()
  for number in 0 1 2; do
    mkdir "$BATS_TEST_TMPDIR/${PODS[number]}"
    planted_visits 300000 >"$BATS_TEST_TMPDIR/${PODS[number]}/visits.txt"
    DATA=$BATS_TEST_TMPDIR/${PODS[number]} start_web_app --max-connections 8
    ports+=("$port") data_of+=("$data") pids+=("$pid")
    jq -n --arg pod "${PODS[number]}" --argjson port "$admin_port" '{
      metadata: {namespace: "test", labels: {"kubernetes.io/service-name": "chart-web-app-headless"}},
      ports: [{name: "admin", port: $port}], endpoints: [{addresses: ["127.0.0.1"], targetRef: {name: $pod}}]}'
  done >"$BATS_TEST_TMPDIR/slices.json"
  render --set serviceMonitor.enabled=true,prometheusRule.enabled=true
  rendered ServiceMonitor . >"$BATS_TEST_TMPDIR/monitor.json"
  rendered PrometheusRule '{groups: .spec.groups}' >"$BATS_TEST_TMPDIR/rules.json"
  jq '.[] | select(.kind == "Service")' "$RENDERED" >"$BATS_TEST_TMPDIR/services.json"
  scrape_config "$BATS_TEST_TMPDIR"/{monitor,services,slices}.json >"$BATS_TEST_TMPDIR/prometheus.json"
  start_prometheus
  becomes 'count(web_app_visits_total)' 3
}

# visit_all COUNT: as many visits of each pod, all acknowledged.
visit_all() {
  local one
  for one in "${ports[@]}"; do
    run "$TOOLS/visitor.py" --url "http://127.0.0.1:$one/" --connections 4 --requests "$1" --out "$BATS_TEST_TMPDIR/acknowledged"
    assert_output "acknowledged $1 refused 0 errors 0 unanswered 0" || return
  done
}

# refuse COUNT: as many visits of the first pod, whose file may not grow any more.
refuse() {
  prlimit --pid "${pids[0]}" --fsize="$(stat -c %s "${data_of[0]}/visits.txt")"
  refused_visits "${ports[0]}" "$1"
}

# numbers_agree VISITS REFUSED: Prometheus has the lines of each file, VISITS of them new, and REFUSED visits of the first pod.
numbers_agree() {
  local number lines
  for number in 0 1 2; do
    lines=$(wc -l <"${data_of[number]}/visits.txt")
    assert_equal "$lines" $((300000 + $1)) || return
    prometheus_has "web_app_visits_total{pod=\"${PODS[number]}\"}" "$lines" || return
  done
  prometheus_has 'sum(web_app_visit_duration_seconds_count)' $((3 * $1)) || return
  prometheus_has 'sum(web_app_visit_errors_total{pod="chart-web-app-0",reason="no_space"})' "$2" || return
  prometheus_has 'sum(web_app_visit_errors_total)' "$2"
}

@test "control: a program that counts refused visits as acknowledged ones is found out" {
  mutant times-refused-visits
  serve_pods
  visit_all 20
  wait_scraped
  numbers_agree 20 0
  refuse 5
  wait_scraped
  run numbers_agree 20 5
  assert_failure
  assert_output --partial 'sum(web_app_visit_duration_seconds_count) is 65'
}

@test "Prometheus' numbers are those of the files, every expression of the dashboard has data, and the rules are evaluated" {
  local listing fault edit
  serve_pods
  visit_all 200
  refuse 5
  crowd "${ports[1]}" 12
  # A listing of the last one, which nobody reads and which is left after a while.
  exec {listing}<>"/dev/tcp/127.0.0.1/${ports[2]}"
  printf 'GET /visits HTTP/1.1\r\nHost: listing\r\n\r\n' >&"$listing"
  becomes "sum(web_app_listings)" 1
  exec {listing}>&-

  wait_scraped
  numbers_agree 200 5
  becomes 'sum by (pod) (web_app_connections_evicted_total) > 0' 4
  becomes 'sum by (pod) (web_app_listings_aborted_total) > 0' 1
  becomes "sum(web_app_listings)" 0
  try --max 50 --delay 0.2 -- alert_fires WebAppVisitsRefused '{"namespace": "test", "pod": "chart-web-app-0", "reason": "no_space"}'
  try --max 50 --delay 0.2 -- rules_are_healthy

  run shows_data "$CHART/dashboards/web-app.json"
  echo "$output"
  assert_success

  # Control: a metric that the program lacks, a number that is not finite, a label that only the legend has, and pods that are
  # not told apart.
  while IFS='|' read -r fault edit; do
    sed "$edit" "$CHART/dashboards/web-app.json" >"$BATS_TEST_TMPDIR/other.json"
    run shows_data "$BATS_TEST_TMPDIR/other.json"
    assert_failure
    assert_line --partial "FAULT: $fault"
  done <<'TABLE'
Listings aborted per second/A has no data|s/web_app_listings_aborted_total/web_app_listings_broken_total/
Connections, part of the limit/A is not finite|s/web_app_connections_max/web_app_listings/
Refused per second, by reason/A lacks a label|s/{{reason}}/{{cause}}/
Visits per second/A lacks a label|s/sum by (namespace, pod) (rate(web_app_visit_duration_seconds_count/sum by (namespace) (rate(web_app_visit_duration_seconds_count/
Memory/A has data of ['chart-web-app-0', 'chart-web-app-1', 'chart-web-app-2']|s/\(process_resident_memory_bytes{.*\),pod=~[^}]*/\1/
TABLE
}
