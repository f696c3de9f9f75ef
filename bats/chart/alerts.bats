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

# seen WHAT: the alerts that the cases of $ALERTS_TEST want in that form, `firing` or `silent`, one a line.
seen() {
  yq --output-format json . "$ALERTS_TEST" | jq -r --arg what "$1" '
    .tests[].alert_rule_test[] | select((.exp_alerts == []) == ($what == "silent")) | .alertname' | sort -u
}

# alert_names: the alerts that are rendered, one a line.
alert_names() { rendered PrometheusRule '.spec.groups[].rules[].alert' | sort; }

@test "every alert is seen firing, and seen silent" {
  render --set prometheusRule.enabled=true
  assert_equal "$(seen firing)" "$(alert_names)"
  assert_equal "$(seen silent)" "$(alert_names)"
}

@test "control: an alert with another threshold, time or condition is found out" {
  local edit
  cp -r "$CHART" "$BATS_TEST_TMPDIR/other"
  while read -r edit; do
    cp "$CHART/templates/prometheusrule.yaml" "$BATS_TEST_TMPDIR/other/templates/"
    sed -i "$edit" "$BATS_TEST_TMPDIR/other/templates/prometheusrule.yaml"
    ! cmp -s "$CHART/templates/prometheusrule.yaml" "$BATS_TEST_TMPDIR/other/templates/prometheusrule.yaml" || fail "$edit changes nothing"
    CHART=$BATS_TEST_TMPDIR/other alerts_hold
    [ "$status" != 0 ] || fail "$edit is not found out"
  done <<'TABLE'
/web_app_visit_errors_total/s/> 0/> 4/
/web_app_ready/s/== 0/== 1/
/web_app_ready/,/for:/s/10m/1m/
/process_start_time/s/> 3/> 4/
/process_start_time/s/> 3/> 0/
/process_start_time/s/max by (namespace, pod, instance)//
s/count by (pod, instance)//
s/expr: {{ $sync }} > 1/expr: {{ $sync }} > 2.5/
s/expr: {{ $visit }} > 1/expr: {{ $visit }} > 10/
s/ unless on .*//
s/< 0.1$/< 0.101/
s/< 0.1$/< 0.05/
s/< 14400/< 144000/
s/< 14400/< 8000/
s/ > 0)) < 14400/)) < 14400/
/and on (namespace, pod) web_app_visits_file_bytes/d
/web_app_visits_file_bytes/,/for:/s/15m/30m/
/web_app_connections_evicted_total/s/> 0/> 100/
/web_app_connections_evicted_total/s/\[5m\]/[10m]/
/web_app_connections_evicted_total/,/for:/s/for: 10m/for: 1m/
TABLE
}

# headings FILE: the anchors of its headings, as GitHub makes them.
headings() {
  awk '/^```/ { code = !code } !code && sub(/^#+ /, "")' "$1" |
    tr '[:upper:]' '[:lower:]' | sed -E 's/[^a-z0-9 _-]//g; s/ /-/g' | sort
}

# sections FILE: the alerts that have a section in it, one a line.
sections() { sed -n 's/^#### \(WebApp[A-Za-z]*\)$/\1/p' "$1" | sort; }

# alerts_are_explained FILE: each alert has a section in it, each section is of an alert, and what the alerts say leads there.
alerts_are_explained() {
  local url=https://example.com/README.md
  render --set prometheusRule.enabled=true || return
  assert_equal "$(sections "$1")" "$(alert_names)" || return
  rendered PrometheusRule '.spec.groups[].rules[] | .alert + " " + .annotations.runbook' >"$BATS_TEST_TMPDIR/runbooks"
  run grep -vE '^(WebApp[A-Za-z]*) README.md of web-app, section \1\.$' "$BATS_TEST_TMPDIR/runbooks"
  assert_output "" || return
  render --set "prometheusRule.enabled=true,prometheusRule.runbooks=$url" || return
  run comm -13 <(headings "$1" | sed "s|^|$url#|" | sort) <(rendered PrometheusRule '.spec.groups[].rules[].annotations.runbook_url' | sort)
  assert_output ""
}

@test "every alert has a section in README, and leads to it" { alerts_are_explained "$ROOT/README.md"; }

@test "control: an alert without a section, and a section without an alert, are found out" {
  local edit
  for edit in '/^#### WebAppSlowSync/d' 's/^#### WebAppSlowSync/#### WebAppSyncSlow/' 's/^#### WebAppSlowSync/#### WebAppOther\n&/'; do
    sed "$edit" "$ROOT/README.md" >"$BATS_TEST_TMPDIR/README.md"
    run alerts_are_explained "$BATS_TEST_TMPDIR/README.md"
    assert_failure
  done
}

@test "each link of README to a heading leads to one" {
  run comm -23 <(grep -oE '\]\(#[^)]*' "$ROOT/README.md" | sed 's/..#//' | sort -u) <(headings "$ROOT/README.md")
  assert_success
  assert_output ""
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
# and values that the program exports; so have the alerts' labels, and the names in the rules. What a rule compares a
# percentile with is the bound of a bucket: between two bounds a percentile is a guess.
only_exported() {
  local exported=$BATS_TEST_TMPDIR/exported
  exported_by_program >"$exported"
  run comm -13 "$exported" <(
    {
      yq '.tests[].input_series[].series' "$1" | grep '^web_app_' | one_label_each | grep -vE '[{](job|namespace|pod)='
      yq '.tests[].alert_rule_test[].exp_alerts[].exp_labels.reason | select(.)' "$1" | sed 's/.*/web_app_visit_errors_total{reason="&"}/'
      grep -oE 'web_app_[a-z_]+' "$BATS_TEST_TMPDIR/rules"
      grep -oE 'web_app_[a-z_]+_bucket[^>]*> [0-9.]+' "$BATS_TEST_TMPDIR/rules" | sed -E 's/^(web_app_[a-z_]+).*> (.*)/\1{le="\2"}/'
    } | LC_ALL=C sort -u
  )
  assert_output ""
}

@test "the alerts and their tests use only what the program exports" {
  start_web_app
  try --max 50 --delay 0.1 -- metric web_app_volume_size_bytes
  render --set prometheusRule.enabled=true
  rendered PrometheusRule '.spec.groups[].rules[].expr' >"$BATS_TEST_TMPDIR/rules"
  only_exported "$ALERTS_TEST"
  grep -q '^web_app_visit_errors_total{reason="no_space"}$' "$BATS_TEST_TMPDIR/exported"

  # Control: what the program has not is found out, a label's value and name, a bucket, and a metric and a bound of the rules.
  local edit
  for edit in 's/no_space/ENOSPC/' 's/reason="no_space"/error="no_space"/' 's/le="2.5"/le="5"/'; do
    sed "$edit" "$ALERTS_TEST" >"$BATS_TEST_TMPDIR/other.yaml"
    run only_exported "$BATS_TEST_TMPDIR/other.yaml"
    assert_failure
  done
  for edit in 's/web_app_visit_errors_total/web_app_errors_total/' '/^histogram.*web_app_sync/s/> 1$/> 2/'; do
    rendered PrometheusRule '.spec.groups[].rules[].expr' | sed "$edit" >"$BATS_TEST_TMPDIR/rules"
    [ "$(rendered PrometheusRule '.spec.groups[].rules[].expr')" != "$(<"$BATS_TEST_TMPDIR/rules")" ]
    run only_exported "$ALERTS_TEST"
    assert_failure
  done
}
