# The chart as a dependency of another chart.

load ../lib/chart

@test "a parent chart's condition makes the chart or leaves it out" {
  local enabled
  render
  local alone
  alone=$(kinds)
  parent_chart
  for enabled in web-app.enabled=true web-app.replicaCount=3; do
    render --set "$enabled"
    assert_equal "$(kinds)" "$alone"
  done
  render --set web-app.enabled=false
  assert_equal "$(kinds)" ""
  run helm lint "$CHART" --set web-app.enabled=true
  assert_success
  run helm lint "$CHART" --set web-app.enabled=false
  assert_success
}

@test "control: below a parent chart a value that is unknown or malformed is still refused" {
  parent_chart
  refused --set web-app.replicas=3
  assert_output --partial replicas
  refused --set web-app.enabled=perhaps
  assert_output --partial /enabled
}

@test "enabled=false without a condition is refused, and the remedy named" {
  refused --set enabled=false
  assert_output --partial 'condition: web-app.enabled'
  parent_chart "alias: visits"
  refused --set visits.enabled=false
  assert_output --partial 'condition: visits.enabled'
}

@test "a parent chart's global values are taken" {
  local alone
  render
  alone=$(jq -cS . "$RENDERED")
  parent_chart
  cat >"$CHART/values.yaml" <<'YAML'
global:
  imageRegistry: registry.example
  nothing: null
web-app:
  enabled: true
  global: {more: [1]}
YAML
  render --set global.at.all=1,global.nothing=null
  assert_equal "$(jq -cS . "$RENDERED")" "$alone"
}

@test "under an alias the names are valid and the container's is the same" {
  local alias name
  while read -r alias name; do
    parent_chart "alias: $alias"
    render --set "$alias.prometheusRule.enabled=true,$alias.grafanaDashboard.enabled=true,$alias.ingress.enabled=true"
    assert_equal "$(rendered "StatefulSet/chart-$name" '.spec.template | [.metadata.annotations["kubectl.kubernetes.io/default-container"], .spec.containers[].name] | join(" ")')" \
      "web-app web-app"
    assert_valid_names
    CHART=$ROOT/chart
  done <<'TABLE'
webApp webapp
web_app web-app
WEB web
_visits visits
counter counter
TABLE
}

@test "the chart fits twice into one parent chart" {
  parent_chart "alias: inner" "alias: outer; condition: outer.enabled"
  render
  assert_equal "$(kinds | sort | uniq -d)" ""
  assert_equal "$(jq -r '.[] | select(.kind == "StatefulSet") | .metadata.name' "$RENDERED" | xargs)" "chart-inner chart-outer"
  jq -e '[.[] | select(.kind == "StatefulSet") | .spec.selector.matchLabels] | unique | length == 2' "$RENDERED"
  render --set outer.enabled=false
  assert_equal "$(jq -r '.[] | select(.kind == "StatefulSet") | .metadata.name' "$RENDERED")" chart-inner
}

@test "control: a name that Kubernetes refuses is found out" {
  local edit
  render
  cp "$RENDERED" "$BATS_TEST_TMPDIR/good"
  for edit in '.[0].metadata.name = "chart-webApp"' '.[0].metadata.labels.a = "x."' \
    '(.[] | select(.kind == "StatefulSet") | .spec.template.spec.containers[0].name) = "webApp"' \
    '(.[] | select(.kind == "Service") | .metadata.name) = "1st"'; do
    jq "$edit" "$BATS_TEST_TMPDIR/good" >"$RENDERED"
    run assert_valid_names
    assert_failure
  done
}

@test "a parent chart's nulls are taken" {
  parent_chart
  cat >"$CHART/values.yaml" <<'YAML'
web-app:
  enabled: null
  httpRoute: null
  ingress: null
  probes: null
  networkPolicy:
    adminFrom: null
  resources:
    limits:
      cpu: null
YAML
  render
  kinds | grep -qx StatefulSet/chart-web-app
  render --set web-app.service=null,web-app.image=null,web-app.affinity=null,web-app.enabled=null
  kinds | grep -qx StatefulSet/chart-web-app
}
