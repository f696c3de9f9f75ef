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
Pod/chart-web-app-test
Pod/chart-web-app-test-pod"
}

# --- A release of an older chart lacks the values that were added since; `helm upgrade --reuse-values` adds none.

# null_paths TYPE...: the paths of the values of these types, `a.b.c`. Those of lists' items are not among them.
null_paths() {
  yq --output-format json . "$CHART/values.yaml" | jq -r --arg types "$*" '
    . as $values | paths | select(all(.[]; type == "string")) | . as $path
    | select($values | getpath($path) | type as $type | $types | split(" ") | index($type)) | join(".")'
}

# all_valid FILE: Kubernetes takes the resources.
all_valid() {
  run of_chart_sh conforms kubernetes "$1"
  assert_success || return
  assert_output --partial "Invalid: 0, Errors: 0, Skipped: 0"
}

# same: what is rendered, in one form; a null is nothing to the API server.
same() { jq -cS 'walk(if type == "object" then with_entries(select(.value != null)) else . end)' "$RENDERED"; }

# renders_without HELM-ARGUMENT...: the chart renders, with valid notes and resources, without each map and list in turn.
renders_without() {
  local path all=0 failures=0
  : >"$BATS_TEST_TMPDIR/all.yaml"
  while read -r path; do
    all=$((all + 1))
    # An HTTPRoute without a Gateway is refused in words of its own.
    [ "$path $#" != "httpRoute.parentRefs 2" ] || continue
    render "$@" --set "$path=null" && notes "$@" --set "$path=null" >/dev/null || {
      echo "^ without $path"
      failures=$((failures + 1))
      continue
    }
    cat "$RENDERED.yaml" >>"$BATS_TEST_TMPDIR/all.yaml"
  done < <(null_paths object array)
  assert_equal "$failures of $all failed" "0 of $all failed" || return
  assert [ "$all" -gt 40 ] || return
  all_valid "$BATS_TEST_TMPDIR/all.yaml"
}

@test "without any one of the maps and lists of values the chart renders" {
  renders_without
}

@test "so it does with all else switched on" {
  renders_without --values "$CHART/ci/everything-values.yaml"
}

@test "a map that is null, and not gone, is taken as absent" {
  local path gone
  cp -r "$CHART" "$BATS_TEST_TMPDIR/older"
  while read -r path; do
    [[ $path != *.*.* ]] || continue
    render --set "$path=null"
    gone=$(same)
    # Helm removes only the nulls for which the chart has a value.
    yq "del(.$path)" "$CHART/values.yaml" >"$BATS_TEST_TMPDIR/older/values.yaml"
    CHART=$BATS_TEST_TMPDIR/older render --set "$path=null"
    assert_equal "$path $(same)" "$path $gone"
  done < <(null_paths object array)
}

@test "without the maps that no release does without, their defaults hold" {
  local path before
  render
  before=$(same)
  for path in image persistence service; do
    render --set "$path=null"
    assert_equal "$(same)" "$before"
  done
}

@test "without any other map there is nothing of it" {
  local path kind
  while read -r path kind; do
    render --set "$path=null"
    ! kinds | grep -q "^$kind/" || fail "without $path there is: $(kinds)"
  done <<'TABLE'
networkPolicy NetworkPolicy
podDisruptionBudget PodDisruptionBudget
serviceAccount ServiceAccount
TABLE
  render --set probes=null,resources=null,securityContext=null,podSecurityContext=null,updateStrategy=null
  assert_equal "$(rendered StatefulSet '[.spec | .updateStrategy, (.template.spec | .securityContext, (.containers[0] | .startupProbe, .livenessProbe, .readinessProbe, .resources, .securityContext))] | unique | tojson')" "[null]"
}

@test "without any one of the single values the chart renders, or names it" {
  local path failures=0 all=0
  : >"$BATS_TEST_TMPDIR/all.yaml"
  while read -r path; do
    # What is handed to Kubernetes as it is, is for Kubernetes to judge.
    case $path in podSecurityContext.* | securityContext.* | probes.*.httpGet.*) continue ;; esac
    all=$((all + 1))
    run helm template chart "$CHART" --set "$path=null"
    if [ "$status" = 0 ]; then
      printf -- '---\n%s\n' "$output" >>"$BATS_TEST_TMPDIR/all.yaml"
    elif [[ $output != *"missing propert"*"'${path##*.}'"* ]]; then
      echo "$path: $output"
      failures=$((failures + 1))
    fi
  done < <(null_paths string number boolean)
  assert_equal "$failures of $all failed" "0 of $all failed"
  all_valid "$BATS_TEST_TMPDIR/all.yaml"
}

@test "README advises what takes the new values too" {
  run grep -n -e '^helm upgrade.*--set replicaCount' "$ROOT/README.md"
  assert_output --partial --reset-then-reuse-values
  run grep -n -e '^helm.*--reuse-values' "$ROOT/README.md"
  assert_output ""
}
