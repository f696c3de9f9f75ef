# A volume that is full, read-only, of another owner or missing, and a missing image: the pod is not ready, and a message
# says why. Nothing hangs, and the program recovers by itself if it can.

load ../lib/cluster

setup_file() { start_file volume; }

teardown() {
  end_test
  [ -z "$(helm list --short)" ] || uninstall_with_claims
}

teardown_file() {
  remove_volumes
  end_file
}

# install_on VOLUME [HELM ARGUMENT...]: one pod on that volume; does not wait.
install_on() {
  local volume=$1
  shift
  helm install chart "$CHART" --set "replicaCount=1,preStopSleepSeconds=0,persistence.storageClass=$volume" "$@" >/dev/null
}

refuses_with_reason() { [ "$(metric chart-web-app-0 web_app_visit_errors_total)" -gt 0 ]; }

@test "on a full volume only recorded visits are acknowledged, and the pod is not ready, says why, and recovers" {
  requires_nodes
  local pod=chart-web-app-0
  make_volume full size=256k,gid=65532,mode=2775
  install_on "$VOLUME"
  try --max 60 --delay 0.5 -- wait_ready "$pod" 1
  visit "$pod" 2
  fill "$VOLUME"
  forward "pod/$pod" 8080
  visit_until_refused "$FORWARD"
  assert_visits "$pod" $((2 + ACKNOWLEDGED))
  wait_unready "$pod"
  logs_say "$pod" 'cannot write /data/visits.txt: No space left on device'
  refuses_with_reason
  run visit "$pod"
  assert_failure
  assert_visits "$pod" $((2 + ACKNOWLEDGED))

  on_node "$NODE" rm "/var/local/$VOLUME/filler" </dev/null
  wait_ready "$pod" 30
  visit "$pod"
  assert_visits "$pod" $((2 + ACKNOWLEDGED + 1))
  logs_say "$pod" 'ready again: /data/visits.txt is writable'
  # It recovered without a restart by the kubelet.
  assert_equal "$(restarts_of "$pod")" 0
}

@test "on a read-only volume the pod is not ready and says why; once it is writable, the next pod serves" {
  requires_nodes
  local pod=chart-web-app-0
  make_volume readonly size=256k,gid=65532,mode=2775
  on_node "$NODE" mount -o remount,ro "/var/local/$VOLUME" </dev/null
  install_on "$VOLUME"
  try --max 60 --delay 0.5 -- logs_say "$pod" '/data/visits.txt: Read-only file system'
  is_ready "$pod" False
  responds_with "$pod" 503

  # The kubelet has mounted the volume read-only in this pod, so this pod cannot recover.
  on_node "$NODE" mount -o remount,rw "/var/local/$VOLUME" </dev/null
  remember_uid "$pod"
  kubectl delete pod "$pod" --wait=false
  wait_replaced "$pod"
  visit "$pod"
  assert_visits "$pod" 1
}

@test "with a volume of another owner the log names the user and the directory that it cannot write to" {
  requires_nodes
  local pod=chart-web-app-0
  make_volume theirs size=256k,mode=0755
  # With an fsGroup the kubelet would change the volume's group.
  install_on "$VOLUME" --set podSecurityContext.fsGroup=null
  try --max 60 --delay 0.5 -- logs_say "$pod" 'cannot write to /data as user 65532, group 65532'
  is_ready "$pod" False
  # By default it does.
  helm upgrade chart "$CHART" --reset-values --set replicaCount=1,preStopSleepSeconds=0,persistence.storageClass="$VOLUME" >/dev/null
  kubectl delete pod "$pod" >/dev/null
  try --max 60 --delay 0.5 -- wait_ready "$pod" 1
  visit "$pod"
  assert_visits "$pod" 1
}

@test "if a claim cannot be bound, helm gives up in time, and the claim says why" {
  local since=$SECONDS
  run helm install chart "$CHART" --set replicaCount=1,persistence.storageClass=nowhere --wait --timeout 8s
  echo "$output"
  assert_failure
  assert_output --partial StatefulSet
  assert [ $((SECONDS - since)) -lt 60 ]
  assert_equal "$(field pod/chart-web-app-0 .status.phase)" Pending
  kubectl describe "$(claim_of chart-web-app-0)" | grep 'storageclass.storage.k8s.io "nowhere" not found'
}

says_no_image() {
  field pod/chart-web-app-0 '.status.containerStatuses[0].state.waiting.reason' | grep -E '^(ErrImagePull|ImagePullBackOff)$'
}

@test "if an image is missing, helm gives up in time, and the pod names the image" {
  local since=$SECONDS
  run helm install chart "$CHART" --set replicaCount=1,image.tag=nowhere --wait --timeout 8s
  echo "$output"
  assert_failure
  assert [ $((SECONDS - since)) -lt 60 ]
  try --max 60 --delay 0.5 -- says_no_image
  field pod/chart-web-app-0 '.status.containerStatuses[0].state.waiting.message' | grep 'web-app:nowhere'
  # A failed release can be repaired by an upgrade.
  helm upgrade chart "$CHART" --set replicaCount=1,preStopSleepSeconds=0 >/dev/null
  kubectl delete pod chart-web-app-0 --wait=false >/dev/null
  try --max 90 --delay 1 -- wait_ready chart-web-app-0 1
}
