# The test language of the chart's tests: resources that `helm template` renders, as JSON. Needs no cluster.
# shellcheck shell=bash

load ../lib/common

CHART=$ROOT/chart

# render [HELM ARGUMENT...]: renders the release `chart` into $RENDERED, a JSON array of resources.
render() {
  RENDERED=$BATS_TEST_TMPDIR/rendered.json
  helm template chart "$CHART" --namespace test "$@" >"$RENDERED.yaml" || return
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
  jq -r '.[] | "\(.kind)/\(.metadata.name)"' "$RENDERED" | LC_ALL=C sort
}

# notes [HELM ARGUMENT...]: prints the notes of an install.
notes() {
  helm install chart "$CHART" --namespace test --dry-run=client "$@" | sed -n '/^NOTES:/,$p'
}

# refused [HELM ARGUMENT...]: rendering fails; $output has the reason.
refused() {
  run helm template chart "$CHART" --namespace test "$@"
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
