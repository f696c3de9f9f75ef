# The verb `chart`: checks the chart and packages it. Sourced by build.sh.
# shellcheck shell=bash

readonly CHART=$ROOT/chart SCHEMAS=$BUILD/schemas

# The Kubernetes kinds that the chart renders.
readonly KINDS="ConfigMap Ingress NetworkPolicy Pod PodDisruptionBudget Service ServiceAccount StatefulSet"

# The operators' resources that the chart can render, by the definitions in the operators' Go modules.
readonly CRDS=(
  sigs.k8s.io/gateway-api/config/crd/standard/gateway.networking.k8s.io_httproutes.yaml
  github.com/prometheus-operator/prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml
  github.com/prometheus-operator/prometheus-operator/example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml
)

# chart_main [docs]: checks the chart and packages it as build/web-app-VERSION.tgz. With `docs`, writes
# the table of values in chart/README.md first.
chart_main() {
  chart_tools
  if [ "${1:-}" = docs ]; then
    step "write chart/README.md" chart_docs "$CHART"
  fi
  step "lint the chart" chart_lint
  step "check the table of values in chart/README.md" chart_docs_fresh
  step "render the chart and check it against the API's schemas" chart_render
  step "package the chart" helm package "$CHART" --destination "$BUILD"
  say "build/web-app-$VERSION.tgz is ready: helm install chart build/web-app-$VERSION.tgz"
}

# chart_tools: builds the programs that the chart's checks and tests run.
chart_tools() {
  # shellcheck source=third_party/go/build.sh
  source "$ROOT/third_party/go/build.sh"
  need chart
  go_tool helm helm3 yq kubeconform kube-score helm-docs dashboard
  PATH=$BUILD/tools/bin:$PATH
  chart_prometheus
  chart_schemas
}

chart_lint() {
  local values
  for values in "$CHART"/ci/*-values.yaml; do
    helm lint --strict "$CHART" --values "$values"
  done
}

chart_docs() {
  helm-docs --chart-search-root "$1" --log-level warning
}

chart_docs_fresh() {
  local copy
  copy=$(mktemp -d)
  cp -r "$CHART" "$copy/chart"
  chart_docs "$copy/chart"
  diff -u "$CHART/README.md" "$copy/chart/README.md" || {
    rm -rf "$copy"
    die "chart/README.md is older than the values; update it with: ./build.sh chart docs"
  }
  rm -rf "$copy"
}

chart_render() {
  local values kubernetes
  for values in "$CHART"/ci/*-values.yaml; do
    for kubernetes in kubernetes kubernetes-oldest; do
      helm template chart "$CHART" --values "$values" --kube-version "$(kubernetes_version "$kubernetes")" | conforms "$kubernetes"
    done
  done
}

# kubernetes_version PINS: prints the version of third_party/go/PINS.
kubernetes_version() { awk '/k8s.io\/kubernetes v/ { print $NF }' "$ROOT/third_party/go/$1/go.mod"; }

# conforms PINS [FILE]: the resources are valid by the schemas of that Kubernetes, and of the operators.
conforms() {
  local schema='{{.ResourceKind}}{{.KindSuffix}}.json'
  kubeconform -strict -summary -schema-location "$BUILD/schemas/$1/$schema" -schema-location "$BUILD/schemas/operators/$schema" "${@:2}"
}

# chart_prometheus: puts prometheus and promtool on PATH, from Debian's package if one of them is missing.
chart_prometheus() {
  if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    return 0
  fi
  fetch_prometheus
  mkdir -p "$BUILD/tools/bin"
  ln -sf "$BUILD"/tools/prometheus/usr/bin/{prometheus,promtool} "$BUILD/tools/bin/"
}

# chart_schemas: makes build/schemas, one JSON schema for each kind that the chart renders, from the API descriptions in the
# Go modules of the cluster's Kubernetes and of the oldest that the chart supports, and from the operators' definitions.
# Copies these definitions to build/crds, so that the end-to-end tests can add them to the cluster.
chart_schemas() {
  local stamp=$SCHEMAS/.stamp want
  want=$(sha256sum "$ROOT"/third_party/go/{kubernetes{,-oldest},crds}/go.sum "$ROOT/bats/tools/api-schemas.jq" "$ROOT/bats/chart/chart.sh" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" != "$want" ] || return 0
  rm -rf "$SCHEMAS" "$BUILD/crds"
  step "make schemas of the Kubernetes API" chart_make_schemas
  echo "$want" >"$stamp"
}

chart_make_schemas() {
  local kubernetes swagger line crd module
  mkdir -p "$SCHEMAS/operators" "$BUILD/crds"
  for kubernetes in kubernetes kubernetes-oldest; do
    mkdir "$SCHEMAS/$kubernetes"
    swagger=$(go_module_directory "$kubernetes" k8s.io/kubernetes)/api/openapi-spec/swagger.json
    jq -c --arg kinds "$KINDS" -f "$ROOT/bats/tools/api-schemas.jq" "$swagger" | while IFS= read -r line; do
      jq -c .schema <<<"$line" >"$SCHEMAS/$kubernetes/$(jq -r .file <<<"$line")"
    done
  done
  for crd in "${CRDS[@]}"; do
    case $crd in
      sigs.k8s.io/*) module=sigs.k8s.io/gateway-api ;;
      *) module=github.com/prometheus-operator/prometheus-operator ;;
    esac
    chart_crd_schemas "$(go_module_directory crds "$module")${crd#"$module"}"
  done
}

# chart_crd_schemas FILE: writes the schemas of a CustomResourceDefinition, and the definition itself.
chart_crd_schemas() {
  local version kind group
  install -m 644 "$1" "$BUILD/crds/"
  kind=$(yq '.spec.names.kind | downcase' "$1")
  group=$(yq '.spec.group | split(".") | .[0]' "$1")
  for version in $(yq '.spec.versions[].name' "$1"); do
    v=$version yq --output-format json '.spec.versions[] | select(.name == strenv(v)) | .schema.openAPIV3Schema' "$1" |
      jq -c 'walk(if type == "object" and .properties and (.additionalProperties | not) and (.["x-kubernetes-preserve-unknown-fields"] | not) then .additionalProperties = false else . end)
        | walk(if type == "object" and .["x-kubernetes-int-or-string"] then .type = ["string", "integer"] | del(.anyOf) else . end)
        | .properties.metadata = {type: "object"}' >"$SCHEMAS/operators/$kind-$group-$version.json"
  done
}

# go_module_directory PINS MODULE: prints the directory of the module's source, verified by third_party/go/PINS/go.sum.
go_module_directory() {
  (cd "$ROOT/third_party/go/$1" && GOFLAGS=-mod=mod go mod download -json "$2@$(go list -m -f '{{.Version}}' "$2")" | jq -er .Dir)
}
