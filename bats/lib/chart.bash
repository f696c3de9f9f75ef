# The test language of the chart's tests: resources that `helm template` renders, as JSON. Needs no cluster.
# shellcheck shell=bash

load ../lib/common

CHART=$ROOT/chart

# render [HELM ARGUMENT...]: renders the release `chart`, or $RELEASE, into $RENDERED, a JSON array of resources. By
# Helm 4, or by $HELM.
render() {
  RENDERED=$BATS_TEST_TMPDIR/rendered.json
  "${HELM:-helm}" template "${RELEASE:-chart}" "$CHART" --namespace test "$@" >"$RENDERED.yaml" || return
  yq ea --no-colors --output-format json '[.]' "$RENDERED.yaml" >"$RENDERED"
}

# rendered KIND[/NAME] FILTER: prints the output of the jq filter for the one resource of that kind and name.
rendered() {
  local kind=${1%%/*} name=chart-web-app
  [ "$kind" = "$1" ] || name=${1#*/}
  jq -r --arg kind "$kind" --arg name "$name" \
    "map(select(.kind == \$kind and .metadata.name == \$name))
     | if length == 1 then .[0] else error(\"\(length) resources \" + \$kind + \"/\" + \$name) end
     | $2" "$RENDERED"
}

# kinds: the rendered resources as KIND/NAME lines, sorted.
kinds() {
  jq -r '.[] | objects | "\(.kind)/\(.metadata.name)"' "$RENDERED" | LC_ALL=C sort
}

# notes [HELM ARGUMENT...]: prints the notes of an install.
notes() {
  helm install chart "$CHART" --namespace test --dry-run=client "$@" | sed -n '/^NOTES:/,$p'
}

# of_chart_sh FUNCTION ARGUMENT...: calls a function of bats/chart/chart.sh.
of_chart_sh() { bash -euo pipefail -c 'source "$0/build.sh"; source "$0/bats/chart/chart.sh"; "$@"' "$ROOT" "$@"; }

# refused [HELM ARGUMENT...]: rendering fails; $output has the reason.
refused() {
  run helm template "${RELEASE:-chart}" "$CHART" --namespace test "$@"
  [ "$status" != 0 ] || fail "helm template $* was not refused"
}

# leaves FILE: the paths of a values file's values, `a.b.c`; an empty map or list is a value too.
leaves() {
  yq --output-format json . "$1" | jq -r '
    def leaves($path):
      if type == "object" and length > 0
      then to_entries[] | .key as $key | .value | leaves($path + [$key])
      else $path | join(".") end;
    leaves([])'
}

# parent_chart [DEPENDENCY-LINE...]: makes a chart around this one and sets CHART to it. Without lines the dependency has
# the condition web-app.enabled; an argument stands for one dependency's lines, separated by `;`.
parent_chart() {
  local dependency parent=$BATS_TEST_TMPDIR/parent
  [ $# -gt 0 ] || set -- "condition: web-app.enabled"
  rm -rf "$parent"
  mkdir -p "$parent"
  {
    printf '%s\n' 'apiVersion: v2' 'name: parent' 'version: 0.1.0' 'dependencies:'
    for dependency in "$@"; do
      printf '  - name: web-app\n    version: "*"\n    repository: file://%s\n' "$CHART"
      sed 's/; */\n/g; s/^/    /; s/\n/\n    /g' <<<"${dependency//; /;}"
    done
  } >"$parent/Chart.yaml"
  helm dependency build "$parent" >/dev/null || return
  CHART=$parent
}

# assert_valid_names: the names and labels of the resources, the pods' containers and the selectors are valid. The
# names of Services, and of the pods of a StatefulSet, are DNS labels.
assert_valid_names() {
  run jq -r '
    def is_label: length <= 63 and test("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$");
    def is_value: length <= 63 and test("^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$");
    .[] | . as $one
    | (.metadata.name | select((is_label and ($one.kind != "Service" or test("^[a-z]"))
        # The label controller-revision-hash is this name, a dash and at most ten characters.
        and ($one.kind != "StatefulSet" or length <= 52)) | not)),
      (.. | objects | (.containers // [])[].name | select(is_label | not)),
      (.. | objects | .labels, .matchLabels, (.selector | objects | select(has("matchLabels") | not)) | objects | .[] | strings | select(is_value | not))
    | "\($one.kind) has the invalid name or label \(.)"' "$RENDERED"
  assert_success || return
  assert_output ""
}
