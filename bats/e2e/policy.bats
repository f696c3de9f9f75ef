# The chart in a namespace that enforces the Pod Security Standard "restricted", and with each set of values in chart/ci,
# on an API server that has the operators' resource definitions.

load ../lib/cluster

setup_file() {
  start_file policy pod-security.kubernetes.io/enforce=restricted pod-security.kubernetes.io/warn=restricted
  # Definitions that the cluster has already are neither changed nor removed.
  local definition
  for definition in "$BUILD"/crds/*.yaml; do
    if kubectl create -f "$definition" >/dev/null 2>&1; then echo "$definition" >>"$BATS_FILE_TMPDIR/definitions"; fi
  done
  kubectl wait --for=condition=Established --timeout 30s -f "$BUILD/crds" >/dev/null
}

teardown_file() {
  local definition
  while read -r definition; do
    kubectl delete -f "$definition" --wait=false >/dev/null
  done < <(cat "$BATS_FILE_TMPDIR/definitions" 2>/dev/null)
  end_file
}

@test "the API server accepts every resource of every set of values, without a warning" {
  local values
  for values in "$CHART"/ci/*-values.yaml; do
    helm template chart "$CHART" --skip-tests --namespace "$NAMESPACE" --values "$values" >"$BATS_TEST_TMPDIR/rendered.yaml"
    run kubectl apply --dry-run=server --validate=strict -f "$BATS_TEST_TMPDIR/rendered.yaml"
    assert_success
    refute_output --partial Warning
  done
  # Negative control: an unknown field is refused.
  sed -i 's/serviceName:/serviceNam:/' "$BATS_TEST_TMPDIR/rendered.yaml"
  run kubectl apply --dry-run=server --validate=strict -f "$BATS_TEST_TMPDIR/rendered.yaml"
  assert_failure
}

# stored_otherwise: the fields of the rendered resources that the API server would store with another value, or not at all.
# It may add fields. GitOps tools show such a field as a difference for ever.
stored_otherwise() {
  yq ea --no-colors --output-format json '[.]' "$BATS_TEST_TMPDIR/rendered.yaml" >"$BATS_TEST_TMPDIR/rendered.json"
  kubectl apply --dry-run=server -f "$BATS_TEST_TMPDIR/rendered.yaml" -o json >"$BATS_TEST_TMPDIR/stored.json"
  jq -r --slurpfile stored "$BATS_TEST_TMPDIR/stored.json" '
    def otherwise($stored; $path):
      if type != ($stored | type) or (type == "array" and length != ($stored | length))
      then "\($path | join(".")) is \(tojson) and would be stored as \($stored | tojson)"
      elif type == "object" then to_entries[] | .key as $key | .value | otherwise($stored[$key]; $path + [$key])
      elif type == "array" then to_entries[] | .key as $key | .value | otherwise($stored[$key]; $path + ["\($key)"])
      elif . != $stored then "\($path | join(".")) is \(tojson) and would be stored as \($stored | tojson)"
      else empty end;
    to_entries[] | .key as $key | .value | otherwise($stored[0].items[$key]; [.kind])' "$BATS_TEST_TMPDIR/rendered.json"
}

@test "the API server stores every field of every set of values as it is rendered" {
  local values
  for values in "$CHART"/ci/*-values.yaml; do
    helm template chart "$CHART" --skip-tests --namespace "$NAMESPACE" --values "$values" >"$BATS_TEST_TMPDIR/rendered.yaml"
    run stored_otherwise
    assert_success
    assert_output ""
  done
  # Negative control: the API server writes this amount in another way.
  helm template chart "$CHART" --skip-tests --namespace "$NAMESPACE" --set resources.requests.cpu=0.1 >"$BATS_TEST_TMPDIR/rendered.yaml"
  run stored_otherwise
  assert_output --partial 'and would be stored as "100m"'
}

@test "in a restricted namespace the chart installs without a warning, and helm test passes" {
  run helm install chart "$CHART" --wait --timeout 90s
  assert_success
  refute_output --partial violate
  assert_equal "$(pods | wc -l)" 3
  run helm test chart --timeout 60s
  assert_success
  refute_output --partial violate
  uninstall
}

says_forbidden() { kubectl get events -o jsonpath='{.items[*].message}' | grep 'violates PodSecurity "restricted'; }

@test "control: a pod that may escalate its privileges is refused there" {
  helm install bad "$CHART" --set replicaCount=1,securityContext.allowPrivilegeEscalation=true >/dev/null 2>&1
  try --max 30 --delay 0.5 -- says_forbidden
  assert_equal "$(kubectl get pods -l app.kubernetes.io/instance=bad -o name)" ""
  helm uninstall bad --wait >/dev/null
}

@test "every set of values in chart/ci can be installed and passes helm test" {
  local values release
  for values in "$CHART"/ci/*-values.yaml; do
    release=$(basename "$values" -values.yaml)
    # The default values are installed above.
    [ "$release" != default ] || continue
    helm install "$release" "$CHART" --values "$values" --wait --timeout 90s >/dev/null
    helm test "$release" --timeout 60s >/dev/null
    helm uninstall "$release" --wait >/dev/null
  done
  try --max 60 --delay 0.5 -- nothing_of_single
}

# nothing_of_single: with these values the claim is deleted together with the release.
nothing_of_single() { [ -z "$(kubectl get pvc -l app.kubernetes.io/instance=single -o name)" ]; }

@test "the packaged chart installs like the directory" {
  helm package "$CHART" --destination "$BATS_TEST_TMPDIR" >/dev/null
  helm install packed "$BATS_TEST_TMPDIR"/web-app-*.tgz --set replicaCount=1,preStopSleepSeconds=0 --wait --timeout 60s >/dev/null
  visit packed-web-app-0
  assert_visits packed-web-app-0 1
  helm uninstall packed --wait >/dev/null
}
