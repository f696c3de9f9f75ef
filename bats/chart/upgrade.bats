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

# hooks: what Helm alone makes at the right time, among the rendered resources.
hooks() { jq -r '.[] | select(.kind == "Pod" or .metadata.annotations["helm.sh/hook"]) | "\(.kind)/\(.metadata.name)"' "$RENDERED" | LC_ALL=C sort; }

# applied FILE: renders, for each `helm template ... | kubectl apply` in FILE, what kubectl would get; prints its hooks.
applied() {
  local command commands
  mapfile -t commands < <(sed -nE 's/^[$ ]*(helm template .*[^ ]) *[|] *kubectl apply.*/\1/p' "$1")
  [ "${#commands[@]}" -gt 0 ] || fail "$1 has no such command" || return
  RENDERED=$BATS_TEST_TMPDIR/applied.json
  for command in "${commands[@]}"; do
    (cd "$CHART" && bash -c "$command") | yq ea --output-format json '[.]' >"$RENDERED" || return
    jq -e 'any(.[]; .kind == "StatefulSet")' "$RENDERED" >/dev/null || return
    hooks
  done
}

@test "what README hands to kubectl apply has no test pod" {
  run applied "$ROOT/README.md"
  assert_success
  assert_output ""
  render --skip-tests --values "$CHART/ci/everything-values.yaml"
  assert_equal "$(hooks)" ""
}

@test "control: without --skip-tests it would have one" {
  sed 's/ --skip-tests//' "$ROOT/README.md" >"$BATS_TEST_TMPDIR/README.md"
  run applied "$BATS_TEST_TMPDIR/README.md"
  assert_success
  assert_output "NetworkPolicy/chart-web-app-test
Pod/chart-web-app-test"
}
