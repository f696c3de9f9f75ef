# What Prometheus knows about a release, after visits of all kinds: it is what the files say, the dashboard shows it, and the
# alerts tell it. The volumes are small and in a node's memory, so that one of them can be filled.

load ../lib/cluster
load ../lib/metrics

readonly PLANTED=300000 VISITS=200 REFUSED=5 CONNECTIONS=8

setup_file() {
  start_file metrics
  requires_nodes
  local number values=serviceMonitor.enabled=true,prometheusRule.enabled=true
  planted_visits "$PLANTED" >"$BATS_FILE_TMPDIR/planted"
  for number in 0 1 2; do
    make_volume "$number" size=16M,gid=65532,mode=2775 "$NAMESPACE"
    on_node "$NODE" bash -c 'cat >"$1" && chown 65532 "$1"' _ "/var/local/$VOLUME/visits.txt" <"$BATS_FILE_TMPDIR/planted"
  done
  install --set "preStopSleepSeconds=0,persistence.storageClass=$NAMESPACE,maxConnections=$CONNECTIONS"

  helm template chart "$CHART" --namespace "$NAMESPACE" --set "$values" | yq ea --no-colors --output-format json '[.]' >"$BATS_FILE_TMPDIR/rendered"
  jq '.[] | select(.kind == "ServiceMonitor")' "$BATS_FILE_TMPDIR/rendered" >"$BATS_FILE_TMPDIR/monitor.json"
  jq '.[] | select(.kind == "PrometheusRule") | {groups: .spec.groups}' "$BATS_FILE_TMPDIR/rendered" >"$BATS_FILE_TMPDIR/rules.json"
  kubectl get services -o json >"$BATS_FILE_TMPDIR/services.json"
  try --max 60 --delay 0.5 -- slices_are_complete
  scrape_config "$BATS_FILE_TMPDIR"/{monitor,services,slices}.json "$(forward_all 8081)" >"$BATS_FILE_TMPDIR/prometheus.json"
  start_prometheus
  becomes 'count(web_app_visits_total)' 3
  make_events
  export prometheus scraping_since ACKNOWLEDGED
}

# slices_are_complete: the API server knows the admin ports of all three pods.
slices_are_complete() {
  kubectl get endpointslices -o json >"$BATS_FILE_TMPDIR/slices.json" &&
    jq -e '[.items[] | select(any(.ports[]; .name == "admin")) | .endpoints[]] | length == 3' "$BATS_FILE_TMPDIR/slices.json"
}

# forward_all PORT: forwards free ports to this one of each pod until the end of the file, and prints {"POD": "ADDRESS", ...}.
forward_all() {
  local number
  for number in 0 1 2; do
    forward "pod/chart-web-app-$number" "$1" || return
    echo "${FORWARDS[-1]}" >>"$BATS_FILE_TMPDIR/forwards"
    jq -n --arg pod "chart-web-app-$number" --arg address "127.0.0.1:$FORWARD" '{($pod): $address}'
  done | jq -cs add
}

# make_events: visits of each pod; then of the first on a full volume, of the second more connections than it may have, and of the
# third a listing that is left.
make_events() {
  local number address
  local -A ports
  for number in 0 1 2; do
    forward "pod/chart-web-app-$number" 8080
    echo "${FORWARDS[-1]}" >>"$BATS_FILE_TMPDIR/forwards"
    ports[$number]=$FORWARD
    run "$TOOLS/visitor.py" --url "http://127.0.0.1:$FORWARD/" --connections 4 --requests "$VISITS" --out "$BATS_FILE_TMPDIR/acknowledged"
    assert_output "acknowledged $VISITS refused 0 errors 0 unanswered 0"
  done
  fill "$(volume_name 0)"
  visit_until_refused "${ports[0]}"
  refused_visits "${ports[0]}" $((REFUSED - 1))
  crowd "${ports[1]}" $((CONNECTIONS + 4))
  # From the node: a port-forward could swallow all of it.
  address=$(address_of chart-web-app-2)
  on_node "$(node_of chart-web-app-2)" bash -s -- "$address" <<'NODE'
exec 3<>"/dev/tcp/$1/8080"
printf 'GET /visits HTTP/1.1\r\nHost: listing\r\n\r\n' >&3
read -r -N 1 -u 3 _
NODE
}

# volume_name NUMBER: prints the name of the pod's volume.
volume_name() { kubectl get "$(claim_of "chart-web-app-$1")" -o jsonpath='{.spec.volumeName}'; }

teardown_file() {
  stop_started
  mapfile -t FORWARDS < <(cat "$BATS_FILE_TMPDIR/forwards" || true)
  stop_forwards
  [ -z "$(helm list --short)" ] || uninstall_with_claims
  remove_volumes
  end_file
}

@test "Prometheus counts the lines of each pod's file, and the visits that were acknowledged and refused" {
  local number lines
  wait_scraped
  prometheus_has 'sum(web_app_visit_duration_seconds_count)' $((3 * VISITS + ACKNOWLEDGED))
  for number in 0 1 2; do
    lines=$(on_node "$(worker)" wc -l "/var/local/$(volume_name "$number")/visits.txt" </dev/null | cut -d ' ' -f 1)
    assert_equal "$lines" $((PLANTED + VISITS + (number == 0 ? ACKNOWLEDGED : 0)))
    prometheus_has "web_app_visits_total{job=\"chart-web-app-headless\",namespace=\"$NAMESPACE\",pod=\"chart-web-app-$number\"}" "$lines"
  done
  prometheus_has 'sum(web_app_visit_errors_total{pod="chart-web-app-0",reason="no_space"})' "$REFUSED"
  prometheus_has 'sum(web_app_visit_errors_total)' "$REFUSED"
  becomes 'sum(web_app_listings_aborted_total{pod="chart-web-app-2"})' 1
  # A connection that a port-forward has not closed yet may be among them.
  becomes 'sum(web_app_connections_evicted_total{pod="chart-web-app-1"}) >= bool 4' 1
  prometheus_has 'count(web_app_volume_size_bytes == 16777216)' 3
  prometheus_has 'sum by (pod) (web_app_volume_available_bytes == 0)' 0
}

@test "every expression of the dashboard has data, of each pod" {
  run shows_data "$CHART/dashboards/web-app.json"
  echo "$output"
  assert_success
}

@test "every rule is evaluated, and the alert of the refused visits fires" {
  try --max 50 --delay 0.2 -- rules_are_healthy
  try --max 50 --delay 0.2 -- alert_fires WebAppVisitsRefused \
    "{\"namespace\": \"$NAMESPACE\", \"pod\": \"chart-web-app-0\", \"reason\": \"no_space\"}"
}
