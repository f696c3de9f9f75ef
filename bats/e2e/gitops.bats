# The chart without a release of Helm's: kubectl applies what it renders, as GitOps tools do. These compare it with what
# the API server has, again and again, and must see no difference. policy.bats compares every set of values.

load ../lib/cluster

setup_file() { start_file gitops; }
teardown_file() { end_file; }

# manifests RELEASE [HELM ARGUMENT...]: renders the release into $MANIFESTS, as README does.
manifests() {
  MANIFESTS=$BATS_TEST_TMPDIR/$1.yaml
  helm template "$1" "$CHART" --namespace "$NAMESPACE" --skip-tests "${@:2}" >"$MANIFESTS"
}

@test "what helm template renders can be applied, and kubectl diff sees no difference then" {
  manifests chart --set preStopSleepSeconds=0
  kubectl apply -f "$MANIFESTS"
  kubectl rollout status statefulset/chart-web-app --timeout 120s
  visit chart-web-app-2
  assert_visits chart-web-app-2 1
  run kubectl diff -f "$MANIFESTS"
  assert_success
  assert_output ""
  # Negative control: it does see another value. Its exit code is then 1.
  manifests chart --set preStopSleepSeconds=0,timezone=UTC
  run kubectl diff -f "$MANIFESTS"
  assert_failure 1
  assert_line --regexp '^\+ +value: UTC$'
}

# applied: what the API server has of $MANIFESTS, without what controllers write into it.
applied() {
  kubectl get -f "$MANIFESTS" -o json --show-managed-fields |
    jq -c '.items[] | .metadata.managedFields |= map(select(.subresource | not)) | del(.status, .metadata.resourceVersion)'
}

@test "a second server-side apply changes nothing" {
  local once
  manifests twice --set replicaCount=1,preStopSleepSeconds=0
  kubectl apply --server-side -f "$MANIFESTS"
  kubectl rollout status statefulset/twice-web-app --timeout 120s
  once=$(applied)
  kubectl apply --server-side -f "$MANIFESTS"
  assert_equal "$(applied)" "$once"
  run kubectl diff --server-side -f "$MANIFESTS"
  assert_success
  assert_output ""
  # Negative control: another value is a change.
  manifests twice --set replicaCount=1,preStopSleepSeconds=0,timezone=UTC
  kubectl apply --server-side -f "$MANIFESTS"
  refute [ "$(applied)" = "$once" ]
}
