# The chart on OpenShift, whose SCC "restricted-v2" decides which pods are admitted.

load ../lib/chart

# admitted: the rendered pods meet the SCC, by the rules that `oc describe scc restricted-v2` prints. Prints what it
# would refuse. The namespace's range is 1000680000/10000, as in the annotation openshift.io/sa.scc.uid-range.
admitted() {
  run jq -r '
    def in_range: . == null or (. >= 1000680000 and . < 1000690000);
    .[] | select(.kind == "StatefulSet" or .kind == "Pod") | .kind as $kind
    | (.spec.template.spec // .spec)
    | . as $pod
    | ($pod.securityContext // {}) as $all
    | ($pod.hostNetwork, $pod.hostPID, $pod.hostIPC | select(. == true) | "the host\u0027s namespaces"),
      ($all.fsGroup | select(in_range | not) | "fsGroup \(.)"),
      ($all.supplementalGroups // [] | select(all(.[]; in_range) | not) | "supplementalGroups \(.)"),
      ($all.seLinuxOptions | values | "seLinuxOptions"),
      ($pod.volumes // [] | .[] | keys - ["name", "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral",
        "persistentVolumeClaim", "projected", "secret"] | .[] | "a volume of type \(.)"),
      ($pod.containers + ($pod.initContainers // []) | .[]
        | (.securityContext // {}) as $own
        | ($own.runAsUser // $all.runAsUser | select(in_range | not) | "runAsUser \(.)"),
          ($all.runAsUser | select(in_range | not) | "runAsUser \(.)"),
          # The SCC has no rule for it, but a group that is neither 0 nor the range could not read the files of the image.
          ($own.runAsGroup // $all.runAsGroup | select(. != 0 and (in_range | not)) | "runAsGroup \(.)"),
          ($own.privileged | select(. == true) | "privileged"),
          ($own.allowPrivilegeEscalation | select(. != false) | "allowPrivilegeEscalation"),
          ($own.capabilities.drop // [] | select(index("ALL") | not) | "capabilities"),
          ($own.capabilities.add // [] - ["NET_BIND_SERVICE"] | .[] | "capability \(.)"),
          (($own.seccompProfile // $all.seccompProfile // {type: "RuntimeDefault"}).type
            | select(. != "RuntimeDefault") | "seccompProfile \(.)"),
          (.ports // [] | .[].hostPort | values | "hostPort \(.)"))
    | "\($kind): \(.)"' "$RENDERED"
  assert_success || return
  assert_equal "$output" "" || return
  # At least the StatefulSet and the pod of helm test.
  [ "$(jq '[.[] | select(.kind == "StatefulSet" or .kind == "Pod")] | length' "$RENDERED")" -ge 2 ]
}

OPENSHIFT=(--api-versions security.openshift.io/v1)

@test "the SCC restricted admits the pods where the cluster has its API, and by the value" {
  local values
  for values in "$CHART"/ci/*-values.yaml; do
    render --values "$values" "${OPENSHIFT[@]}"
    admitted
    render --values "$values" --set openshift=true
    admitted
  done
  # Elsewhere the ids are fixed.
  render
  assert_equal "$(rendered StatefulSet '.spec.template.spec | [.securityContext.runAsUser, .securityContext.runAsGroup,
      .securityContext.fsGroup, .containers[].securityContext.runAsUser, .containers[].securityContext.runAsGroup] | join(" ")')" \
    "65532 65532 65532 65532 65532"
}

@test "control: it refuses them with the chart's own ids, and with other settings against its rules" {
  local setting
  render
  run admitted
  assert_failure
  assert_output --partial "StatefulSet: runAsUser 65532"
  assert_output --partial "StatefulSet: fsGroup 65532"
  assert_output --partial "Pod: runAsUser 65532"
  for setting in podSecurityContext.runAsUser=0 securityContext.runAsUser=1001 podSecurityContext.fsGroup=1001 \
    securityContext.allowPrivilegeEscalation=true securityContext.capabilities.drop=null securityContext.privileged=true \
    podSecurityContext.supplementalGroups[0]=1001 securityContext.seccompProfile.type=Unconfined; do
    render "${OPENSHIFT[@]}" --set "$setting"
    run admitted
    assert_failure
  done
}

@test "all that is not an id stays, and so do ids that the user chose" {
  render "${OPENSHIFT[@]}" --set podSecurityContext.runAsUser=1000680001,securityContext.runAsUser=1000680001
  admitted
  assert_equal "$(rendered StatefulSet '.spec.template.spec | [.securityContext, .containers[].securityContext] | tojson')" \
    '[{"fsGroupChangePolicy":"OnRootMismatch","runAsNonRoot":true,"runAsUser":1000680001,"seccompProfile":{"type":"RuntimeDefault"}},{"allowPrivilegeEscalation":false,"capabilities":{"drop":["ALL"]},"privileged":false,"readOnlyRootFilesystem":true,"runAsNonRoot":true,"runAsUser":1000680001,"seccompProfile":{"type":"RuntimeDefault"}}]'
  # Without any context of its own a pod gets none.
  render "${OPENSHIFT[@]}" --set podSecurityContext=null,securityContext=null
  assert_equal "$(rendered StatefulSet '.spec.template.spec | [.securityContext, .containers[].securityContext] | tojson')" '[null,null]'
}

@test "below a parent chart, where a null for an id is ignored, the SCC admits the pods too" {
  parent_chart
  render "${OPENSHIFT[@]}"
  admitted
  render --set web-app.openshift=true
  admitted
  printf 'web-app: {openshift: true, securityContext: {runAsUser: null}, podSecurityContext: {fsGroup: null}}\n' >"$CHART/values.yaml"
  render
  admitted
}
