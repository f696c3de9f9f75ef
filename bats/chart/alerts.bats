# The alerts, by Prometheus' own tool.

load ../lib/chart

ALERTS_TEST=$ROOT/bats/tools/alerts-test.yaml

# alerts_hold: promtool runs the tests on the rules.
alerts_hold() {
  render --set prometheusRule.enabled=true || return
  rendered PrometheusRule '{groups: .spec.groups}' >"$BATS_TEST_TMPDIR/rules.json"
  cp "$ALERTS_TEST" "$BATS_TEST_TMPDIR/alerts-test.yaml"
  run promtool test rules "$BATS_TEST_TMPDIR/alerts-test.yaml"
}

@test "the alerts fire when they should" {
  alerts_hold
  assert_success
}

@test "control: an alert that compares nothing while no pod is up is found out" {
  cp -r "$CHART" "$BATS_TEST_TMPDIR/other"
  CHART=$BATS_TEST_TMPDIR/other
  sed -i 's/ or vector(0)//' "$CHART/templates/prometheusrule.yaml"
  alerts_hold
  assert_failure
  assert_output --partial "all pods that are down"
  assert_output --partial "all pods that are gone, and their series with them"
  assert_output --partial "no pod that was ever scraped"
  refute_output --partial "one pod of three"
}

@test "no pod is missing where none is wanted" {
  render --set prometheusRule.enabled=true,replicaCount=0
  rendered PrometheusRule '{groups: .spec.groups}' >"$BATS_TEST_TMPDIR/rules.json"
  cat >"$BATS_TEST_TMPDIR/none.yaml" <<'YAML'
rule_files: [rules.json]
tests:
  - interval: 1m
    alert_rule_test:
      - {eval_time: 20m, alertname: WebAppPodMissing, exp_alerts: []}
YAML
  run promtool test rules "$BATS_TEST_TMPDIR/none.yaml"
  assert_success
}

# exported_by_program: what the program exports as `name` and `name{label="value"}` lines, a label each.
exported_by_program() {
  admin /metrics | sed -n 's/^\(web_app_[^ ]*\) .*/\1/p' | one_label_each
}

# one_label_each: splits `name{a="x",b="y"}` into `name`, `name{a="x"}` and `name{b="y"}`.
one_label_each() {
  awk '{ name = $0; sub(/[{].*/, "", name); print name
         if (name == $0) next
         labels = substr($0, length(name) + 2); sub(/[}]$/, "", labels)
         count = split(labels, label, ","); for (i = 1; i <= count; i++) print name "{" label[i] "}" }' | LC_ALL=C sort -u
}

# only_exported FILE: the series of the tests in FILE have, apart from what Prometheus adds to each, only names, labels
# and values that the program exports; so have the alerts' labels, and the names in the rules.
only_exported() {
  local exported=$BATS_TEST_TMPDIR/exported
  exported_by_program >"$exported"
  run comm -13 "$exported" <(
    {
      yq '.tests[].input_series[].series' "$1" | grep '^web_app_' | one_label_each | grep -vE '[{](job|namespace|pod)='
      yq '.tests[].alert_rule_test[].exp_alerts[].exp_labels.reason | select(.)' "$1" | sed 's/.*/web_app_visit_errors_total{reason="&"}/'
      grep -oE 'web_app_[a-z_]+' "$BATS_TEST_TMPDIR/rules"
    } | LC_ALL=C sort -u
  )
  assert_output ""
}

@test "the alerts and their tests use only what the program exports" {
  start_web_app
  render --set prometheusRule.enabled=true
  rendered PrometheusRule '.spec.groups[].rules[].expr' >"$BATS_TEST_TMPDIR/rules"
  only_exported "$ALERTS_TEST"
  grep -q '^web_app_visit_errors_total{reason="no_space"}$' "$BATS_TEST_TMPDIR/exported"

  # Control: what the program has not is found out, a label's value and name, a bucket, and a metric of the rules.
  local edit
  for edit in 's/no_space/ENOSPC/' 's/reason="no_space"/error="no_space"/' 's/le="2.5"/le="1"/'; do
    sed "$edit" "$ALERTS_TEST" >"$BATS_TEST_TMPDIR/other.yaml"
    run only_exported "$BATS_TEST_TMPDIR/other.yaml"
    assert_failure
  done
  sed -i 's/web_app_visit_errors_total/web_app_errors_total/' "$BATS_TEST_TMPDIR/rules"
  run only_exported "$ALERTS_TEST"
  assert_failure
}
