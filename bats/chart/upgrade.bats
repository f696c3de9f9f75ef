# What an upgrade changes, and what a release that an older chart has made brings along.

load ../lib/chart

# with_chart FIELD: renders a chart whose FIELD in Chart.yaml is 9.9.9.
with_chart() {
  rm -rf "$BATS_TEST_TMPDIR/newer"
  cp -r "$ROOT/chart" "$BATS_TEST_TMPDIR/newer"
  sed -i "s/^$1: .*/$1: 9.9.9/" "$BATS_TEST_TMPDIR/newer/Chart.yaml"
  CHART=$BATS_TEST_TMPDIR/newer render "${@:2}"
}

@test "a chart whose version alone is newer restarts no pod" {
  local values before
  for values in "$CHART"/ci/*-values.yaml; do
    render --values "$values"
    before=$(jq -S '.[] | select(.kind == "StatefulSet").spec' "$RENDERED")
    with_chart version --values "$values"
    assert_equal "$(jq -S '.[] | select(.kind == "StatefulSet").spec' "$RENDERED")" "$before"
  done
  # The version is told where it restarts nothing.
  with_chart version
  assert_equal "$(rendered StatefulSet '.metadata.labels["helm.sh/chart"]')" web-app-9.9.9
}

@test "control: a newer program is a change of the pods" {
  local before
  render
  before=$(rendered StatefulSet .spec.template)
  with_chart appVersion
  [ "$(rendered StatefulSet .spec.template)" != "$before" ]
}
