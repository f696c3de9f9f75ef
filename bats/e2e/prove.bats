# `web-app prove`, run as a user runs it in a cluster: whatever a careful operator does, it ends with 0; whatever loses
# visits, it ends with 3 and says what happened. It runs in a pod of its own, whose ledger no fault of the release touches.

load ../lib/cluster

setup_file() {
  start_file prove
  # The label tells a drain which pods to evict: those of the files that run beside this one are on the same nodes.
  install --set "preStopSleepSeconds=1,drain=2s,podLabels.proof=$NAMESPACE"
  start_client prover
}

teardown_file() { end_file; }

readonly SERVICE=http://chart-web-app/ PODS=http://chart-web-app-headless:8080/

setup() { requires_nodes; }

# prove_start [OPTION...]: visits the Service and each pod in the background, until `prove_end`.
prove_start() {
  local name=proof-$BATS_TEST_NUMBER
  kubectl exec prover -- web-app prove --ledger "/data/$name" --for 150s --wait 90s --timeout 3s "$@" "$SERVICE" "$PODS" \
    >"$BATS_TEST_TMPDIR/report" 2>"$BATS_TEST_TMPDIR/progress" &
  PROVER=$!
  # Each pod has acknowledged a visit, and its file was read.
  try --max 60 --delay 0.5 -- has_met 3 || fail "$(cat "$BATS_TEST_TMPDIR/progress")"
}

has_met() { [ "$(grep -c ': met pod ' "$BATS_TEST_TMPDIR/progress")" = "$1" ]; }

# prove_end STATUS: ends the visits, once there were some after the fault, and shows the report.
prove_end() {
  local status=0
  try --max 60 --delay 0.5 -- has_progressed "$(grep -c ' s: .* acknowledged' "$BATS_TEST_TMPDIR/progress")"
  on_node "$(node_of prover)" bash -s -- "$(uid pod/prover)" <<'NODE'
for process in /proc/[0-9]*; do
  if tr '\0' ' ' <"$process/cmdline" 2>/dev/null | grep -q '^web-app prove ' && tr _ - <"$process/cgroup" | grep -q "pod$1"; then
    kill "${process#/proc/}" && exit 0
  fi
done
echo "no prover runs in pod $1 on this node" >&2
exit 1
NODE
  wait "$PROVER" || status=$?
  cat "$BATS_TEST_TMPDIR/progress" "$BATS_TEST_TMPDIR/report"
  assert_equal "$status" "$1"
}

# has_progressed COUNT: the prover has said more than COUNT times how far it is.
has_progressed() { [ "$(grep -c ' s: .* acknowledged' "$BATS_TEST_TMPDIR/progress")" -gt "$1" ]; }

report_has() { grep -E "$1" "$BATS_TEST_TMPDIR/report"; }

@test "kill -9 of a process is proved to lose nothing" {
  prove_start --require-fault
  crash chart-web-app-1
  prove_end 0
  report_has '^pod chart-web-app-1, sync=always, 1 restart'
  report_has '^PROVEN: '
}

@test "a pod's deletion is proved to lose nothing" {
  prove_start --require-fault
  remember_uid chart-web-app-0
  kubectl delete pod chart-web-app-0 --wait=false
  wait_replaced chart-web-app-0
  prove_end 0
  report_has '^pod chart-web-app-0, sync=always, 1 restart'
}

@test "a rolling upgrade is proved to lose nothing" {
  prove_start --require-fault
  helm upgrade chart "$CHART" --reuse-values --set podAnnotations.upgrade=yes >/dev/null
  kubectl rollout status statefulset/chart-web-app --timeout 90s
  prove_end 0
  assert_equal "$(report_has '^pod .*, 1 restart' | wc -l)" 3
}

@test "a node's drain is proved to lose nothing" {
  local node
  prove_start --require-fault
  node=$(node_of chart-web-app-2)
  kubectl drain "$node" --pod-selector "proof=$NAMESPACE" --disable-eviction --timeout 60s
  kubectl uncordon "$node"
  wait_ready chart-web-app-2
  prove_end 0
  report_has '^pod chart-web-app-2, sync=always, 1 restart'
}

@test "an uninstall and a reinstall are proved to lose nothing" {
  prove_start --require-fault
  uninstall
  install --set preStopSleepSeconds=1,drain=2s
  prove_end 0
  assert_equal "$(report_has '^pod .*, 1 restart' | wc -l)" 3
  report_has '[1-9][0-9]* not sent'
}

@test "helm test proves what it visits, if tests.prove.enabled" {
  helm upgrade chart "$CHART" --reuse-values --set tests.prove.enabled=true >/dev/null
  run helm test chart --logs --timeout 90s
  assert_success
  assert_output --regexp 'PROVEN: [0-9]+ acknowledged visits are in the files of 3 pods, each once and on its line'
}

# file_of POD: sets $NODE and $FILE, the visits.txt of the pod's volume on its node.
file_of() {
  local volume
  NODE=$(node_of "$1")
  volume=$(kubectl get "$(claim_of "$1")" -o jsonpath='{.spec.volumeName}')
  FILE=$(kubectl get pv "$volume" -o jsonpath='{.spec.hostPath.path}{.spec.local.path}')/visits.txt
}

# while_stopped POD COMMAND...: runs the command on the pod's node while the StatefulSet has no pods, then starts them.
while_stopped() {
  local pod=$1
  shift
  kubectl scale statefulset/chart-web-app --replicas 0
  kubectl wait --for=delete pod --selector "$SELECTOR" --timeout 60s
  on_node "$NODE" "$@" </dev/null
  kubectl scale statefulset/chart-web-app --replicas 3
  try --max 60 --delay 0.5 -- kubectl get "pod/$pod" >/dev/null
  wait_ready "$pod"
}

@test "a volume restored from an older copy is found out: rolled back" {
  local before
  visit chart-web-app-0 3
  before=$(count_visits chart-web-app-0)
  file_of chart-web-app-0
  on_node "$NODE" cp -a "$FILE" "$FILE.copy" </dev/null
  visit chart-web-app-0 3 # so that more is missing than the proof's own visits, which could also be a lost tail
  prove_start
  while_stopped chart-web-app-0 mv "$FILE.copy" "$FILE"
  prove_end 3
  report_has "^LOST: .* pod chart-web-app-0: rolled back to line $before of 2"
}

@test "a claim that leads to another volume is found out: another volume" {
  file_of chart-web-app-1
  # What was another volume of this node, with visits of its own.
  on_node "$NODE" bash -c 'printf "2020-01-01 00:00:0%d.000000+03:00\n" 1 2 3 >"$1.other" && chown --reference="$1" "$1.other"' _ "$FILE" </dev/null
  prove_start
  while_stopped chart-web-app-1 mv "$FILE.other" "$FILE"
  prove_end 3
  report_has '^LOST: .* pod chart-web-app-1: another volume: its file begins with 2020-01-01 00:00:01'
}

@test "an emptyDir in place of the claims is found out: wiped" {
  prove_start
  kubectl get statefulset chart-web-app -o json | jq '
    .spec.volumeClaimTemplates[0].metadata.name as $name
    | del(.spec.volumeClaimTemplates, .status, .metadata.resourceVersion, .metadata.uid, .metadata.creationTimestamp)
    | .spec.template.spec.volumes = [{name: $name, emptyDir: {}}]' >"$BATS_TEST_TMPDIR/statefulset.json"
  kubectl delete statefulset chart-web-app
  kubectl wait --for=delete pod --selector "$SELECTOR" --timeout 60s
  kubectl_apply <"$BATS_TEST_TMPDIR/statefulset.json"
  kubectl rollout status statefulset/chart-web-app --timeout 90s
  prove_end 3
  report_has '^LOST: .* pod chart-web-app-[012]: wiped: its file begins anew at .*; 3 pods in all'
}
