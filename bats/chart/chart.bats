# The chart without a cluster: what helm renders from its values, and which values it refuses.

load ../lib/chart

@test "helm install chart . gives the expected names, sizes and ports" {
  render
  assert_equal "$(kinds)" "$(printf '%s\n' NetworkPolicy/chart-web-app NetworkPolicy/chart-web-app-test \
    Pod/chart-web-app-test Pod/chart-web-app-test-pod PodDisruptionBudget/chart-web-app Service/chart-web-app \
    Service/chart-web-app-headless ServiceAccount/chart-web-app StatefulSet/chart-web-app)"
  assert_equal "$(rendered StatefulSet '[.spec.replicas, .spec.podManagementPolicy, .spec.serviceName] | join(" ")')" \
    "3 Parallel chart-web-app-headless"
  assert_equal "$(rendered StatefulSet '.spec.volumeClaimTemplates[] | [.apiVersion, .kind, .metadata.name,
      .spec.accessModes[], .spec.resources.requests.storage, .spec.storageClassName] | map(. // "the default") | join(" ")')" \
    "v1 PersistentVolumeClaim persistent-data-volume ReadWriteOnce 100Mi the default"
  assert_equal "$(rendered StatefulSet '.spec.template.spec.containers[0] | [.name, .image, .imagePullPolicy,
      (.ports[] | .name, .containerPort)] | map(tostring) | join(" ")')" \
    "web-app web-app:1.0.0 IfNotPresent http 8080 admin 8081"
  assert_equal "$(rendered Service '.spec | [.type, .ports[0].port, .ports[0].targetPort] | map(tostring) | join(" ")')" \
    "ClusterIP 80 http"
  assert_equal "$(rendered Service/chart-web-app-headless '.spec | [.clusterIP, .publishNotReadyAddresses] | map(tostring) | join(" ")')" \
    "None true"
}

@test "the chart has the program's version" {
  local version
  version=$(version)
  assert [ -n "$version" ]
  assert_equal "$(yq '.version + " " + .appVersion' "$CHART/Chart.yaml")" "$version $version"
}

@test "claims and visits outlive pods, releases and scaling unless the values say otherwise" {
  render
  assert_equal "$(rendered StatefulSet '.spec.persistentVolumeClaimRetentionPolicy | [.whenDeleted, .whenScaled] | join(" ")')" \
    "Retain Retain"
}

@test "immutable fields contain nothing that an upgrade changes" {
  local immutable='[.spec.selector, .spec.volumeClaimTemplates, .spec.serviceName, .spec.podManagementPolicy]'
  render
  local before
  before=$(rendered StatefulSet "$immutable")
  cp -r "$CHART" "$BATS_TEST_TMPDIR/newer"
  sed -i 's/^\(version\|appVersion\): .*/\1: 9.9.9/' "$BATS_TEST_TMPDIR/newer/Chart.yaml"
  CHART=$BATS_TEST_TMPDIR/newer render --set commonLabels.team=storage --set podLabels.tier=probe
  assert_equal "$(rendered StatefulSet "$immutable")" "$before"
  assert_equal "$(rendered StatefulSet '.spec.template.metadata.labels["app.kubernetes.io/version"]')" 9.9.9
}

@test "the selectors match the pods, but not the pod of helm test" {
  render
  jq -e '
    def selects($labels): to_entries | all(.[]; $labels[.key] == .value);
    (.[] | select(.kind == "StatefulSet")) as $set
    | $set.spec.template.metadata.labels as $pod
    | (.[] | select(.kind == "Pod" and .metadata.name == "chart-web-app-test")).metadata.labels as $test
    | [$set.spec.selector.matchLabels,
       (.[] | select(.kind == "Service") | .spec.selector),
       (.[] | select(.kind == "PodDisruptionBudget") | .spec.selector.matchLabels),
       (.[] | select(.kind == "NetworkPolicy" and .metadata.name == "chart-web-app") | .spec.podSelector.matchLabels),
       ($set.spec.template.spec | .topologySpreadConstraints[].labelSelector.matchLabels,
         .affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[].podAffinityTerm.labelSelector.matchLabels)]
    | length == 7 and all(.[]; selects($pod) and (selects($test) | not))
  ' "$RENDERED"
}

@test "the same values render the same bytes" {
  local first
  render --values "$CHART/ci/everything-values.yaml"
  first=$(sha256sum <"$RENDERED.yaml")
  render --values "$CHART/ci/everything-values.yaml"
  assert_equal "$(sha256sum <"$RENDERED.yaml")" "$first"
}

# Rows of: value (one of values.yaml) | helm's arguments | resource | jq filter | expected.
# Together they have every value of the chart; a later test checks that.
values_table() {
  cat <<'TABLE'
replicaCount | --set replicaCount=5 | StatefulSet | .spec.replicas | 5
image.repository | --set image.repository=registry.example/web-app | StatefulSet | $c.image | registry.example/web-app:1.0.0
image.tag | --set image.tag=1.2.3 | StatefulSet | $c.image | web-app:1.2.3
image.tag | --set image.tag=1.2.3 | Pod/chart-web-app-test | .spec.containers[0].image | web-app:1.2.3
image.digest | --set image.digest=sha256:DIGEST | StatefulSet | $c.image | web-app@sha256:DIGEST
image.digest | --set image.digest=sha256:DIGEST,image.tag=1.0.0 | StatefulSet | $c.image | web-app:1.0.0@sha256:DIGEST
image.pullPolicy | --set image.pullPolicy=Always | StatefulSet | $c.imagePullPolicy | Always
imagePullSecrets | --set imagePullSecrets[0].name=registry | StatefulSet | $p.imagePullSecrets[0].name | registry
imagePullSecrets | --set imagePullSecrets[0].name=registry | Pod/chart-web-app-test | .spec.imagePullSecrets[0].name | registry
nameOverride | --set nameOverride=counter | StatefulSet/chart-counter | .spec.selector.matchLabels["app.kubernetes.io/name"] | counter
fullnameOverride | --set fullnameOverride=counter | StatefulSet/counter | .spec.serviceName | counter-headless
sync | --set sync=interval | StatefulSet | $e.WEB_APP_SYNC | interval
timezone | --set timezone=UTC | StatefulSet | $e.WEB_APP_TIMEZONE | UTC
drain | --set drain=12s | StatefulSet | $e.WEB_APP_DRAIN | 12s
workers | --set workers=2 | StatefulSet | $e.WEB_APP_WORKERS | 2
idleTimeout | --set idleTimeout=4010s | StatefulSet | $e.WEB_APP_IDLE_TIMEOUT | 4010s
maxConnections | --set maxConnections=1000000 | StatefulSet | $e.WEB_APP_MAX_CONNECTIONS | 1000000
sandbox | --set sandbox=on | StatefulSet | $e.WEB_APP_SANDBOX | on
logFormat | --set logFormat=json | StatefulSet | $e.WEB_APP_LOG_FORMAT | json
persistence.size | --set persistence.size=1Gi | StatefulSet | $v.resources.requests.storage | 1Gi
persistence.storageClass | --set persistence.storageClass=fast | StatefulSet | $v.storageClassName | fast
persistence.accessMode | --set persistence.accessMode=ReadWriteOncePod | StatefulSet | $v.accessModes[] | ReadWriteOncePod
persistence.whenDeleted | --set persistence.whenDeleted=Delete | StatefulSet | .spec.persistentVolumeClaimRetentionPolicy.whenDeleted | Delete
persistence.whenScaled | --set persistence.whenScaled=Delete | StatefulSet | .spec.persistentVolumeClaimRetentionPolicy.whenScaled | Delete
podManagementPolicy | --set podManagementPolicy=OrderedReady | StatefulSet | .spec.podManagementPolicy | OrderedReady
updateStrategy.type | --set updateStrategy.type=OnDelete | StatefulSet | .spec.updateStrategy.type | OnDelete
updateStrategy.type | --set updateStrategy.rollingUpdate.partition=2 | StatefulSet | .spec.updateStrategy.rollingUpdate.partition | 2
minReadySeconds | --set minReadySeconds=7 | StatefulSet | .spec.minReadySeconds | 7
preStopSleepSeconds | --set preStopSleepSeconds=9 | StatefulSet | $c.lifecycle.preStop.sleep.seconds | 9
preStopSleepSeconds | --set preStopSleepSeconds=0 | StatefulSet | $c.lifecycle | null
terminationGracePeriodSeconds | --set terminationGracePeriodSeconds=45 | StatefulSet | $p.terminationGracePeriodSeconds | 45
probes.startup.httpGet.path | --set probes.startup.httpGet.path=/x | StatefulSet | $c.startupProbe.httpGet.path | /x
probes.startup.httpGet.port | --set probes.startup.httpGet.port=http | StatefulSet | $c.startupProbe.httpGet.port | http
probes.startup.periodSeconds | --set probes.startup.periodSeconds=3 | StatefulSet | $c.startupProbe.periodSeconds | 3
probes.startup.failureThreshold | --set probes.startup.failureThreshold=9 | StatefulSet | $c.startupProbe.failureThreshold | 9
probes.liveness.httpGet.path | --set probes.liveness.httpGet.path=/x | StatefulSet | $c.livenessProbe.httpGet.path | /x
probes.liveness.httpGet.port | --set probes.liveness.httpGet.port=http | StatefulSet | $c.livenessProbe.httpGet.port | http
probes.liveness.periodSeconds | --set probes.liveness.periodSeconds=3 | StatefulSet | $c.livenessProbe.periodSeconds | 3
probes.liveness.timeoutSeconds | --set probes.liveness.timeoutSeconds=4 | StatefulSet | $c.livenessProbe.timeoutSeconds | 4
probes.liveness.failureThreshold | --set probes.liveness.failureThreshold=9 | StatefulSet | $c.livenessProbe.failureThreshold | 9
probes.readiness.httpGet.path | --set probes.readiness.httpGet.path=/x | StatefulSet | $c.readinessProbe.httpGet.path | /x
probes.readiness.httpGet.port | --set probes.readiness.httpGet.port=http | StatefulSet | $c.readinessProbe.httpGet.port | http
probes.readiness.periodSeconds | --set probes.readiness.periodSeconds=3 | StatefulSet | $c.readinessProbe.periodSeconds | 3
probes.readiness.timeoutSeconds | --set probes.readiness.timeoutSeconds=4 | StatefulSet | $c.readinessProbe.timeoutSeconds | 4
probes.readiness.failureThreshold | --set probes.readiness.failureThreshold=9 | StatefulSet | $c.readinessProbe.failureThreshold | 9
resources.requests.cpu | --set resources.requests.cpu=1m | StatefulSet | $c.resources.requests.cpu | 1m
resources.requests.memory | --set resources.requests.memory=1Mi | StatefulSet | $c.resources.requests.memory | 1Mi
resources.requests.ephemeral-storage | --set resources.requests.ephemeral-storage=2Mi | StatefulSet | $c.resources.requests["ephemeral-storage"] | 2Mi
resources.limits.cpu | --set resources.limits.cpu=2 | StatefulSet | $c.resources.limits.cpu | 2
resources.limits.memory | --set resources.limits.memory=1Gi | StatefulSet | $c.resources.limits.memory | 1Gi
resources.limits.ephemeral-storage | --set resources.limits.ephemeral-storage=2Mi | StatefulSet | $c.resources.limits["ephemeral-storage"] | 2Mi
service.type | --set service.type=LoadBalancer | Service | .spec.type | LoadBalancer
service.port | --set service.port=8000 | Service | .spec.ports[0].port | 8000
service.port | --set service.port=8000 | Pod/chart-web-app-test | .spec.containers[0].args[1] | http://chart-web-app:8000/readyz
service.sessionAffinity | --set service.sessionAffinity=ClientIP | Service | .spec.sessionAffinity | ClientIP
service.annotations | --set service.annotations.a=b | Service | .metadata.annotations.a | b
serviceAccount.create | --set serviceAccount.create=false | StatefulSet | $p.serviceAccountName | default
serviceAccount.name | --set serviceAccount.name=counter | ServiceAccount/counter | .automountServiceAccountToken | false
serviceAccount.name | --set serviceAccount.create=false,serviceAccount.name=theirs | StatefulSet | $p.serviceAccountName | theirs
serviceAccount.annotations | --set serviceAccount.annotations.a=b | ServiceAccount | .metadata.annotations.a | b
podDisruptionBudget.maxUnavailable | --set podDisruptionBudget.maxUnavailable=50% | PodDisruptionBudget | .spec.maxUnavailable | 50%
networkPolicy.httpFrom | --set networkPolicy.httpFrom[0].podSelector.matchLabels.a=b | NetworkPolicy | .spec.ingress[0].from[0].podSelector.matchLabels.a | b
networkPolicy.adminFrom | --set networkPolicy.adminFrom[0].podSelector.matchLabels.a=b | NetworkPolicy | .spec.ingress[1].from[0].podSelector.matchLabels.a | b
commonLabels | --set commonLabels.team=storage | Service | .metadata.labels.team | storage
podLabels | --set podLabels.tier=probe | StatefulSet | .spec.template.metadata.labels.tier | probe
podAnnotations | --set podAnnotations.a=b | StatefulSet | .spec.template.metadata.annotations.a | b
openshift | --set openshift=true | StatefulSet | $p.securityContext.runAsUser | null
openshift | --set openshift=true,podSecurityContext.runAsUser=12345 | StatefulSet | $p.securityContext.runAsUser | 12345
openshift | --set openshift=false --api-versions security.openshift.io/v1 | StatefulSet | $p.securityContext.runAsUser | 65532
openshift | --set openshift=null --api-versions security.openshift.io/v1 | StatefulSet | $p.securityContext.runAsUser | null
podSecurityContext.runAsNonRoot | --set podSecurityContext.runAsNonRoot=false | StatefulSet | $p.securityContext.runAsNonRoot | false
podSecurityContext.runAsUser | --set podSecurityContext.runAsUser=12345 | StatefulSet | $p.securityContext.runAsUser | 12345
podSecurityContext.runAsGroup | --set podSecurityContext.runAsGroup=12345 | StatefulSet | $p.securityContext.runAsGroup | 12345
podSecurityContext.fsGroup | --set podSecurityContext.fsGroup=12345 | StatefulSet | $p.securityContext.fsGroup | 12345
podSecurityContext.fsGroupChangePolicy | --set podSecurityContext.fsGroupChangePolicy=Always | StatefulSet | $p.securityContext.fsGroupChangePolicy | Always
podSecurityContext.seccompProfile.type | --set podSecurityContext.seccompProfile.type=Unconfined | StatefulSet | $p.securityContext.seccompProfile.type | Unconfined
securityContext.allowPrivilegeEscalation | --set securityContext.allowPrivilegeEscalation=true | StatefulSet | $c.securityContext.allowPrivilegeEscalation | true
securityContext.capabilities.drop | --set securityContext.capabilities.drop[0]=NET_RAW | StatefulSet | $c.securityContext.capabilities.drop[] | NET_RAW
securityContext.privileged | --set securityContext.privileged=true | StatefulSet | $c.securityContext.privileged | true
securityContext.readOnlyRootFilesystem | --set securityContext.readOnlyRootFilesystem=false | StatefulSet | $c.securityContext.readOnlyRootFilesystem | false
securityContext.runAsGroup | --set securityContext.runAsGroup=12345 | StatefulSet | $c.securityContext.runAsGroup | 12345
securityContext.runAsNonRoot | --set securityContext.runAsNonRoot=false | StatefulSet | $c.securityContext.runAsNonRoot | false
securityContext.runAsUser | --set securityContext.runAsUser=12345 | StatefulSet | $c.securityContext.runAsUser | 12345
securityContext.seccompProfile.type | --set securityContext.seccompProfile.type=Unconfined | StatefulSet | $c.securityContext.seccompProfile.type | Unconfined
priorityClassName | --set priorityClassName=high | StatefulSet | $p.priorityClassName | high
nodeSelector | --set nodeSelector.disk=ssd | StatefulSet | $p.nodeSelector.disk | ssd
tolerations | --set tolerations[0].operator=Exists | StatefulSet | $p.tolerations[0].operator | Exists
affinity | --set affinity.nodeAffinity.a=b | StatefulSet | $p.affinity \| keys[] | nodeAffinity
topologySpreadConstraints | --set topologySpreadConstraints[0].topologyKey=zone | StatefulSet | $p.topologySpreadConstraints[].topologyKey | zone
serviceMonitor.enabled | --set serviceMonitor.enabled=true | ServiceMonitor | .spec.endpoints[].port | admin
serviceMonitor.interval | --set serviceMonitor.enabled=true,serviceMonitor.interval=15s | ServiceMonitor | .spec.endpoints[].interval | 15s
serviceMonitor.labels | --set serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus | ServiceMonitor | .metadata.labels.release | prometheus
prometheusRule.enabled | --set prometheusRule.enabled=true | PrometheusRule | .spec.groups[0].rules[0].alert | WebAppVisitsRefused
prometheusRule.labels | --set prometheusRule.enabled=true,prometheusRule.labels.release=prometheus | PrometheusRule | .metadata.labels.release | prometheus
prometheusRule.runbooks | --set prometheusRule.enabled=true | PrometheusRule | .spec.groups[0].rules[0].annotations \| .runbook + " " + (.runbook_url // "no URL") | README.md of web-app, section WebAppVisitsRefused. no URL
prometheusRule.runbooks | --set prometheusRule.enabled=true,prometheusRule.runbooks=https://example.com/README.md | PrometheusRule | .spec.groups[0].rules[0].annotations.runbook_url | https://example.com/README.md#webappvisitsrefused
tests.prove.enabled | --set tests.prove.enabled=true | Pod/chart-web-app-test-prove | .spec.containers[0].args[0] | prove
grafanaDashboard.enabled | --set grafanaDashboard.enabled=true | ConfigMap/chart-web-app-dashboard | .data["chart-web-app.json"] \| fromjson \| .title | web-app
grafanaDashboard.labels.grafana_dashboard | --set grafanaDashboard.enabled=true,grafanaDashboard.labels.grafana_dashboard=yours | ConfigMap/chart-web-app-dashboard | .metadata.labels.grafana_dashboard | yours
ingress.enabled | --set ingress.enabled=true | Ingress | .spec.rules[].http.paths[].backend.service \| .name + ":" + .port.name | chart-web-app:http
ingress.className | --set ingress.enabled=true,ingress.className=nginx | Ingress | .spec.ingressClassName | nginx
ingress.annotations | --set ingress.enabled=true,ingress.annotations.a=b | Ingress | .metadata.annotations.a | b
ingress.hosts | --set ingress.enabled=true,ingress.hosts[0]=a.example,ingress.hosts[1]=b.example | Ingress | [.spec.rules[].host] \| join(" ") | a.example b.example
ingress.tls | --set ingress.enabled=true,ingress.tls[0].secretName=s | Ingress | .spec.tls[].secretName | s
httpRoute.enabled | --set httpRoute.enabled=true,httpRoute.parentRefs[0].name=g,service.port=8000 | HTTPRoute | .spec.rules[].backendRefs[] \| "\(.name):\(.port)" | chart-web-app:8000
httpRoute.annotations | --set httpRoute.enabled=true,httpRoute.parentRefs[0].name=g,httpRoute.annotations.a=b | HTTPRoute | .metadata.annotations.a | b
httpRoute.parentRefs | --set httpRoute.enabled=true,httpRoute.parentRefs[0].name=g | HTTPRoute | .spec.parentRefs[].name | g
httpRoute.hostnames | --set httpRoute.enabled=true,httpRoute.parentRefs[0].name=g,httpRoute.hostnames[0]=a.example | HTTPRoute | .spec.hostnames[] | a.example
podDisruptionBudget.enabled | --set podDisruptionBudget.enabled=false | PodDisruptionBudget | . | absent
networkPolicy.enabled | --set networkPolicy.enabled=false | NetworkPolicy | . | absent
networkPolicy.enabled | --set networkPolicy.enabled=false | NetworkPolicy/chart-web-app-test | . | absent
serviceAccount.create | --set serviceAccount.create=false | ServiceAccount | . | absent
TABLE
}

# row_holds ARGUMENTS RESOURCE FILTER EXPECTED: renders with the arguments and compares.
row_holds() {
  local arguments=$1 resource=$2 filter=$3 expected=$4 actual
  # shellcheck disable=SC2016 # jq's variables
  local prelude='. as $r | (.spec.template.spec? // {}) as $p | ($p.containers[0]? // {}) as $c
    | (($c.env // []) | map({(.name): .value}) | add) as $e
    | (.spec.volumeClaimTemplates[0]?.spec? // {}) as $v | '
  # shellcheck disable=SC2086 # the arguments are words
  render $arguments || return
  if [ "$expected" = absent ]; then
    ! kinds | grep -qx "$resource\(/chart-web-app\)\?"
    return
  fi
  actual=$(rendered "$resource" "$prelude $filter") || return
  [ "$actual" = "$expected" ] || {
    echo "$filter is $actual, not $expected"
    return 1
  }
}

@test "every value has its documented effect" {
  local digest row value arguments resource filter expected failures=0 rows=0
  digest=$(printf 'a%.0s' {1..64})
  while IFS= read -r row; do
    row=${row//DIGEST/$digest}
    row=${row//\\|/$'\x01'}
    IFS='|' read -r value arguments resource filter expected <<<"$row"
    read -r value <<<"$value"
    read -r resource <<<"$resource"
    read -r expected <<<"$expected"
    rows=$((rows + 1))
    row_holds "$arguments" "$resource" "${filter//$'\x01'/|}" "$expected" || {
      echo "^ $value, with $arguments"
      failures=$((failures + 1))
    }
  done < <(values_table)
  echo "$rows rows"
  assert_equal "$failures" 0
  assert [ "$rows" -gt 90 ]
}

@test "the test above covers every value" {
  run diff <(leaves "$CHART/values.yaml" | LC_ALL=C sort -u) <(values_table | cut -d ' ' -f 1 | LC_ALL=C sort -u)
  assert_success
}

@test "a value is refused by its name when it is unknown or malformed" {
  local arguments named failures=0
  while read -r named arguments; do
    # shellcheck disable=SC2086 # the arguments are words
    refused $arguments
    [[ $output == *"$named"* ]] || {
      echo "the refusal of $arguments does not name $named:"
      echo "$output"
      failures=$((failures + 1))
    }
  done <<'TABLE'
replicas --set replicas=3
/replicaCount --set replicaCount=many
/replicaCount --set replicaCount=-1
/replicaCount --set replicaCount=1.5
/image --set image.name=x
/image --set image=web-app:1.0.0
/image/repository --set image.repository=
/image/tag --set image.tag=a:b
/image/digest --set image.digest=sha256:abc
/image/pullPolicy --set image.pullPolicy=Sometimes
/imagePullSecrets --set imagePullSecrets[0]=registry
/nameOverride --set nameOverride=Web_App
/fullnameOverride --set fullnameOverride=a123456789012345678901234567890123456789012345678901234567890
/sync --set sync=sometimes
/timezone --set timezone=
/drain --set drain=5
/drain --set drain=1h
/drain --set drain=4000s
/workers --set workers=0
/workers --set workers=65
/idleTimeout --set idleTimeout=999ms
/idleTimeout --set idleTimeout=1441m
/idleTimeout --set idleTimeout=620
/maxConnections --set maxConnections=2000000
/maxConnections --set maxConnections=none
/sandbox --set sandbox=true
/logFormat --set logFormat=xml
/persistence --set persistence.enabled=false
/persistence/size --set persistence.size=lots
/persistence/size --set persistence.size=0
/persistence/storageClass --set persistence.storageClass=Fast_SSD
/persistence/accessMode --set persistence.accessMode=ReadWriteMany
/persistence/whenDeleted --set persistence.whenDeleted=Keep
/persistence/whenScaled --set persistence.whenScaled=Keep
/podManagementPolicy --set podManagementPolicy=parallel
/updateStrategy --set updateStrategy.kind=OnDelete
/updateStrategy/type --set updateStrategy.type=Recreate
/updateStrategy/rollingUpdate/partition --set updateStrategy.rollingUpdate.partition=x
/minReadySeconds --set minReadySeconds=-1
/preStopSleepSeconds --set preStopSleepSeconds=3s
/preStopSleepSeconds --set preStopSleepSeconds=9223372036854775807
/terminationGracePeriodSeconds --set terminationGracePeriodSeconds=0
/probes --set probes.ready.periodSeconds=1
/probes/startup/failureThreshold --set probes.startup.failureThreshold=0
/probes/liveness --set probes.liveness.period=1
/probes/readiness/periodSeconds --set probes.readiness.periodSeconds=often
/resources --set resources.request.cpu=1
/resources/limits/memory --set resources.limits.memory=64MB
/service --set service.ports=80
/service/type --set service.type=ExternalName
/service/port --set service.port=65536
/service/sessionAffinity --set service.sessionAffinity=Cookie
/service/annotations --set service.annotations.a=1
/serviceAccount/create --set serviceAccount.create=maybe
/serviceAccount/name --set serviceAccount.name=A
/podDisruptionBudget/enabled --set podDisruptionBudget.enabled=1
/podDisruptionBudget/maxUnavailable --set podDisruptionBudget.maxUnavailable=150%
/networkPolicy --set networkPolicy.deny=true
/networkPolicy/httpFrom --set networkPolicy.httpFrom[0].cidr=10.0.0.0/8
/networkPolicy/adminFrom --set networkPolicy.adminFrom=all
/commonLabels/team --set commonLabels.team=a/b
/podLabels/tier --set podLabels.tier=1
/podAnnotations/a --set podAnnotations.a=true
/openshift --set openshift=yes
/podSecurityContext --set podSecurityContext=none
/securityContext --set securityContext=none
/priorityClassName --set priorityClassName=HIGH
/nodeSelector/disk --set nodeSelector.disk=1
/tolerations --set tolerations=all
/affinity --set affinity=none
/topologySpreadConstraints --set topologySpreadConstraints=none
/serviceMonitor/interval --set serviceMonitor.interval=often
/serviceMonitor --set serviceMonitor.namespace=x
/prometheusRule/labels --set prometheusRule.labels=x
/prometheusRule/runbooks --set prometheusRule.runbooks=README.md
/grafanaDashboard/enabled --set grafanaDashboard.enabled=yes
/tests/prove/enabled --set tests.prove.enabled=yes
/tests --set tests.proof=true
/ingress/hosts --set ingress.hosts[0].host=a.example
/ingress/tls --set ingress.tls[0].hosts[0]=a.example
/ingress/className --set ingress.className=A
/httpRoute/parentRefs --set httpRoute.parentRefs[0].namespace=x
/httpRoute/hostnames --set httpRoute.hostnames[0]=A_B
'sync' --set sync=null
'timezone' --set timezone=null
'drain' --set drain=null
'workers' --set workers=null
'maxConnections' --set maxConnections=null
'idleTimeout' --set idleTimeout=null
'sandbox' --set sandbox=null
'logFormat' --set logFormat=null
'replicaCount' --set replicaCount=null
'terminationGracePeriodSeconds' --set terminationGracePeriodSeconds=null
'repository' --set image.repository=null
'size' --set persistence.size=null
'port' --set service.port=null
'maxUnavailable' --set podDisruptionBudget.maxUnavailable=null
TABLE
  assert_equal "$failures" 0
}

@test "the schema knows every value" {
  local value
  while read -r value; do
    case $value in
      # Kubernetes itself checks a value that is passed to it unchanged.
      podSecurityContext.* | securityContext.* | resources.* | probes.*.httpGet.* | *.labels.*) continue ;;
    esac
    jq -e --arg value "$value" '
      . as $root
      | reduce ($value | split("."))[] as $key (.; (if has("$ref") then $root.definitions[.["$ref"] | split("/")[-1]] else . end).properties[$key])
      | . != null' "$CHART/values.schema.json" >/dev/null || fail "values.schema.json does not know $value"
  done < <(leaves "$CHART/values.yaml")
}

@test "a parent chart may pass its global values" {
  render --set global.anything.at=all
}

@test "a grace period that would kill draining pods is refused, with the least that suffices" {
  refused --set terminationGracePeriodSeconds=8
  assert_output --partial "terminationGracePeriodSeconds (8) must be more than preStopSleepSeconds (3) and drain (5s) together"
  assert_output --partial "set it to at least 9"
  render --set terminationGracePeriodSeconds=9
  refused --set drain=27s
  refused --set preStopSleepSeconds=25
  refused --set terminationGracePeriodSeconds=60,preStopSleepSeconds=0,drain=1m
  assert_output --partial "drain (1m) together"
  assert_output --partial "set it to at least 61"
  refused --set terminationGracePeriodSeconds=1,preStopSleepSeconds=0,drain=1500ms
  assert_output --partial "set it to at least 2"
  render --set terminationGracePeriodSeconds=1,preStopSleepSeconds=0,drain=999ms
  # Leading zeros do not make a number octal.
  refused --set terminationGracePeriodSeconds=10,preStopSleepSeconds=0,drain=010s
}

@test "a number of seven digits is written with all of them" {
  printf '%s: 1000000\n' replicaCount minReadySeconds terminationGracePeriodSeconds maxConnections >"$BATS_TEST_TMPDIR/values.yaml"
  printf '%s\n' 'podDisruptionBudget: {maxUnavailable: 1000000}' 'prometheusRule: {enabled: true}' >>"$BATS_TEST_TMPDIR/values.yaml"
  render --values "$BATS_TEST_TMPDIR/values.yaml"
  run grep -n 1e+06 "$RENDERED.yaml"
  assert_output ""
  run notes --values "$BATS_TEST_TMPDIR/values.yaml"
  assert_output --partial "1000000 pods named"
}

# --- The option values that the program accepts, compared with those that the chart accepts.

# Rows of: value of the chart that becomes an option | candidates for it, as YAML, on both sides of each bound.
# The program and the chart must agree on each candidate, and an accepted one must reach the program unchanged.
options_table() {
  cat <<'TABLE'
sync | always | interval | none | "" | Always | sometimes | "none " | "false"
timezone | Europe/Moscow | America/Argentina/Buenos_Aires | Etc/GMT+3 | UTC | MSK-3 | <+03>-3 | EST5EDT,M3.2.0,M11.1.0/3:00:00 | "" | " " | " UTC" | "Europe/Moscow " | "a\nb" | :UTC | ../../etc/passwd
drain | 0ms | 0s | 0m | 1ms | 500ms | 5s | 1m | 3599999ms | 3600000ms | 3600001ms | 3999999ms | 4000000ms | 10000000ms | 3599s | 3600s | 3601s | 3999s | 4000s | 10000s | 59m | 60m | 61m | 70m | 100m
drain | 005s | 010s | 000000000003600s | 0000000000003600s | 00000003600000ms | 00000003600001ms | "" | "5" | s | 5h | 5S | 5sm | "5 s" | " 5s" | "5s " | +5s | -1s | 1.5s | 1e3ms | 4294967297ms | 18446744073709551617s
workers | -1 | 0 | 1 | 2 | 63 | 64 | 65 | 4294967297 | 1.5 | ""
idleTimeout | 0s | 0m | 1ms | 999ms | 1000ms | 1001ms | 9999999ms | 79999999ms | 86399999ms | 86400000ms | 86400001ms | 90000000ms | 1s | 620s | 4010s | 86399s | 86400s | 86401s | 90000s | 1m | 1439m | 1440m | 1441m | 1500m | 2000m
idleTimeout | 000000000086400s | 0000000000086400s | 00000000000999ms | "" | "620" | s | 5h | "620s " | -1s | 1.5m
sandbox | auto | "on" | "off" | "" | partial | "On"
logFormat | text | json | "" | Json | xml
maxConnections | -1 | 0 | 1 | 2 | 999999 | 1000000 | 1000001 | 1048576 | 2000000 | 4294967297 | many
TABLE
}

# Rows of: value | other notations of it, as YAML. Helm reads some of them as numbers. The chart may refuse them all, but
# must not pass on one that the program refuses.
odd_forms() {
  cat <<'TABLE'
sync | null | true | 1 | [always]
timezone | null | 3 | {name: UTC}
drain | null | 5 | 5.0 | 1e3 | true
workers | null | "5" | 5.0 | 5.5 | 1e1 | +5 | 064 | 0x10 | 0100 | 1e30 | 18446744073709551617 | true
idleTimeout | null | 620 | 1e3 | true
sandbox | null | on | off | true | 1 | [auto]
logFormat | null | true | 1 | [json]
maxConnections | null | "4096" | 1e6 | 1e+06 | 1000000.0 | 1e7 | 1e30 | -1e6
TABLE
}

# Options that the chart sets itself, because its Services, probes and volume depend on them.
fixed_options="WEB_APP_ADMIN_LISTEN WEB_APP_DATA_DIR WEB_APP_LISTEN"

# variable VALUE: prints the environment variable of the option that a value of the chart becomes.
variable() { sed 's/[A-Z]/_&/g; s/.*/WEB_APP_\U&/' <<<"$1"; }

# program_takes NAME=VALUE...: the program accepts that environment; otherwise $complaint is its message. It never serves:
# after its options it tries to create the data directory, which fails.
program_takes() {
  local status=0
  complaint=$(env "$@" timeout 60 "$WEB_APP" serve --data-dir /dev/null/none 2>&1) || status=$?
  case $status in
    1) ;;
    2) return 1 ;;
    *) fail "BUG: with $* it ends with $status: $complaint" ;;
  esac
}

# chart_takes VALUE YAML [agreed]: the chart refuses the value by its name, or the program accepts the environment that it
# gets. With `agreed` the program accepts it if and only if the chart does, and gets it unchanged.
chart_takes() {
  local value=$1 values=$BATS_TEST_TMPDIR/values.yaml refusal=$BATS_TEST_TMPDIR/refusal text environment=()
  printf '%s: %s\n' "$value" "$2" >"$values"
  text=$(yq ".$value" "$values")
  if render --show-only templates/statefulset.yaml --values "$values" --set terminationGracePeriodSeconds=100000 2>"$refusal"; then
    mapfile -t environment < <(rendered StatefulSet '.spec.template.spec.containers[0].env[] | "\(.name)=\(.value // "")"')
    program_takes "${environment[@]}" || fail "the chart takes $value: $2, the program says: $complaint" || return
    [ "${3:-}" != agreed ] || printf '%s\n' "${environment[@]}" | grep -qxF -- "$(variable "$value")=$text" ||
      fail "$value: $2 arrives as: ${environment[*]}"
  else
    grep -qE "at '/$value'|missing property '$value'" "$refusal" ||
      fail "the refusal of $value: $2 does not name it: $(cat "$refusal")" || return
    # To the program an empty variable is an unset one; the chart refuses it, since its default is in values.yaml.
    [ "${3:-}" != agreed ] || [ -z "$text" ] || ! program_takes "$(variable "$value")=$text" ||
      fail "the program takes $value: $2, the chart says: $(cat "$refusal")"
  fi
}

# compare_options: chart_takes for every row, and also on both sides of the schema's present bounds. Prints each
# disagreement, and their number.
compare_options() {
  local row value candidate failures=0 all=0
  while IFS= read -r row; do
    value=${row%% *}
    while IFS= read -r candidate; do
      all=$((all + 1))
      (chart_takes "$value" "$candidate" agreed) || failures=$((failures + 1))
    done < <(
      sed 's/^[^|]*| //; s/ | /\n/g' <<<"$row"
      jq --arg value "$value" '.properties[$value] | .minimum, .maximum | numbers | . - 1, ., . + 1' "$CHART/values.schema.json"
    )
  done < <(options_table)
  echo "$failures disagreements, $all values"
  [ "$failures" = 0 ] && [ "$all" -gt 0 ]
}

# serve_options: prints the variables of all options of `serve`, from the program's help.
serve_options() {
  local option
  while read -r option; do
    run web_app serve "$option=x" --no-such-option
    [[ $output == *"there is no option $option here"* ]] || echo "WEB_APP_$(tr '[:lower:]-' '[:upper:]_' <<<"${option#--}")"
  done < <(web_app help | sed -n 's/^  \(--[a-z-]*\).*/\1/p') | LC_ALL=C sort
}

# covers_options: the chart sets each option of `serve`, from a value in the table above or by itself, and no other option.
covers_options() {
  local value
  render
  run diff <(serve_options) <(rendered StatefulSet '.spec.template.spec.containers[0].env[].name' | LC_ALL=C sort)
  assert_success || return
  run diff <(serve_options) <(
    {
      printf '%s\n' $fixed_options
      options_table | cut -d ' ' -f 1 | sort -u | while read -r value; do variable "$value"; done
    } | LC_ALL=C sort
  )
  assert_success
}

@test "the chart accepts the values that the program accepts, and refuses all others by name" {
  run compare_options
  echo "# ${lines[-1]}" >&3
  assert_success
}

@test "the program never refuses an option that the chart passes on, not even from null or another notation" {
  local row candidate failures=0
  while IFS= read -r row; do
    while IFS= read -r candidate; do
      (chart_takes "${row%% *}" "$candidate") || failures=$((failures + 1))
    done < <(sed 's/^[^|]*| //; s/ | /\n/g' <<<"$row")
  done < <(odd_forms)
  assert_equal "$failures" 0
  for candidate in 1000000 1e6 1e+06 1000000.0; do
    printf 'maxConnections: %s\n' "$candidate" >"$BATS_TEST_TMPDIR/values.yaml"
    row_holds "--values $BATS_TEST_TMPDIR/values.yaml" StatefulSet '$e.WEB_APP_MAX_CONNECTIONS' 1000000
  done
}

@test "each option of serve comes from a value that is compared above, or is set by the chart itself" {
  covers_options
}

@test "control: a chart with one bound that differs from the program's is found out" {
  local value candidate file edit before=$CHART
  while read -r value candidate file edit; do
    options_table | grep "^$value " | grep -qF "| $candidate" || fail "BUG: $candidate is not compared"
    rm -rf "$BATS_TEST_TMPDIR/other"
    cp -r "$before" "$BATS_TEST_TMPDIR/other"
    CHART=$BATS_TEST_TMPDIR/other
    sed -i -E "$edit" "$CHART/$file"
    ! cmp -s "$CHART/$file" "$before/$file" || fail "BUG: nothing in $file matches $edit"
    run chart_takes "$value" "$candidate" agreed
    assert_failure
    assert_output --regexp "^the (chart|program) takes $value: |arrives as: "
  done <<'TABLE'
sync sometimes values.schema.json s/"always", "interval", "none"/&, "sometimes"/
timezone :UTC values.schema.json s/"pattern": "\^\[A-Za-z<.*"/"title": ""/
timezone Etc/GMT+3 values.schema.json s/A-Za-z0-9_[+]/A-Za-z0-9_/
drain 3601s values.schema.json s/[|]3600[)]s/|3600|3601)s/
drain 3600s values.schema.json s/[|]3600[)]s/)s/
drain 3600001ms values.schema.json s/[|]3600000[)]ms/|[34][0-9]{6})ms/
drain 70m values.schema.json s/60[)]m[$]/[67]0)m$/
drain 0000000000003600s values.schema.json s/[{]1,15[}]/{1,16}/
idleTimeout 86401s values.schema.json s/[|]86400[)]s/|86400|86401)s/
idleTimeout 999ms values.schema.json s/[[]1-9[]][[]0-9[]][{]3,6[}]/[0-9]{1,7}/
idleTimeout 1441m values.schema.json s/[|]1440[)]m/|144[0-9])m/
workers 65 values.schema.json s/, "maximum": 64//
workers 65 values.schema.json s/"maximum": 64/"maximum": 65/
workers 64 values.schema.json s/"maximum": 64/"maximum": 63/
workers 0 values.schema.json s/"minimum": 1, ("maximum": 64)/\1/
maxConnections 1000001 values.schema.json s/"maximum": 1000000/"maximum": 1000001/
maxConnections 1000000 templates/statefulset.yaml s/maxConnections [|] int/maxConnections/
TABLE
}

@test "control: a chart that leaves an option out is found out" {
  cp -r "$CHART" "$BATS_TEST_TMPDIR/other"
  CHART=$BATS_TEST_TMPDIR/other
  sed -i '/name: WEB_APP_WORKERS/,+1d' "$CHART/templates/statefulset.yaml"
  run covers_options
  assert_failure
  assert_output --partial "< WEB_APP_WORKERS"
}

@test "an HTTPRoute without a Gateway is refused with a remedy" {
  refused --set httpRoute.enabled=true
  assert_output --partial "set httpRoute.parentRefs[0].name"
}

@test "values that could not work are refused with a remedy: labels of the chart's own, a tag, a partition, a rare scrape" {
  local values message
  while IFS='|' read -r values message; do
    refused --set "$values"
    assert_output --partial "$message"
  done <<'TABLE'
commonLabels.app\.kubernetes\.io/name=shop|commonLabels has the label app.kubernetes.io/name, which the chart sets itself: choose another
podLabels.app\.kubernetes\.io/instance=shop|podLabels has the label app.kubernetes.io/instance, which the chart sets itself: choose another
serviceMonitor.labels.helm\.sh/chart=a|serviceMonitor.labels has the label helm.sh/chart, which the chart sets itself: choose another
prometheusRule.labels.app\.kubernetes\.io/version=a|prometheusRule.labels has the label app.kubernetes.io/version, which the
grafanaDashboard.labels.app\.kubernetes\.io/managed-by=a|grafanaDashboard.labels has the label app.kubernetes.io/managed-by, which the
image.repository=registry.example:5000/web-app:1.0.0|image.repository=registry.example:5000/web-app:1.0.0 has a tag: give the tag as image.tag
image.repository=web-app:1.0.0|image.repository=web-app:1.0.0 has a tag: give the tag as image.tag
updateStrategy.type=OnDelete,updateStrategy.rollingUpdate.partition=1|set updateStrategy.rollingUpdate=null, or the other type
prometheusRule.enabled=true,serviceMonitor.interval=121s|serviceMonitor.interval=121s is too long: the alerts look at five minutes, and need two values in them; set at most 2m
prometheusRule.enabled=true,serviceMonitor.interval=3m|set at most 2m
prometheusRule.enabled=true,serviceMonitor.interval=1h|set at most 2m
TABLE
  for values in image.repository=registry.example:5000/a/web-app 'image.repository=[::1]:5000/web-app' updateStrategy.type=OnDelete \
    serviceMonitor.interval=1h prometheusRule.enabled=true,serviceMonitor.interval=2m prometheusRule.enabled=true,serviceMonitor.interval=120s; do
    render --set "$values"
  done
}

# keys_are_unique: where the user gives a label or annotation twice, for all resources and for one kind, no map has it twice.
keys_are_unique() {
  local key values=commonLabels.twice=all
  values+=,podLabels.twice=pod,serviceMonitor.labels.twice=monitor,prometheusRule.labels.twice=rule,grafanaDashboard.labels.twice=board
  values+=,serviceMonitor.enabled=true,prometheusRule.enabled=true,grafanaDashboard.enabled=true
  values+=,podAnnotations.kubectl\\.kubernetes\\.io/default-container=other
  render --set "$values" || return
  for key in twice kubectl.kubernetes.io/default-container; do
    assert_equal "$key $(grep -c "^ *$key: " "$RENDERED.yaml")" \
      "$key $(jq --arg key "$key" '[.. | objects | select(has($key))] | length' "$RENDERED")" || return
  done
}

@test "a label or annotation that is given twice is rendered once, and the one for the kind wins" {
  keys_are_unique
  assert_equal "$(rendered StatefulSet '.spec.template.metadata | .labels.twice + " " + .annotations["kubectl.kubernetes.io/default-container"]')" \
    "pod other"
  assert_equal "$(rendered ServiceMonitor .metadata.labels.twice) $(rendered PrometheusRule .metadata.labels.twice)" "monitor rule"
  assert_equal "$(rendered ConfigMap/chart-web-app-dashboard .metadata.labels.twice) $(rendered Service/chart-web-app .metadata.labels.twice)" "board all"
}

@test "control: a chart that renders a key twice is found out" {
  cp -r "$CHART" "$BATS_TEST_TMPDIR/other"
  CHART=$BATS_TEST_TMPDIR/other
  sed -i 's/^ *kubectl.kubernetes.io.default-container: .*/&\n&/; s/^\( *\){{- mergeOverwrite .*/\1kubectl.kubernetes.io\/default-container: web-app\n&/' \
    "$CHART/templates/statefulset.yaml"
  run keys_are_unique
  assert_failure
  assert_output --partial "kubectl.kubernetes.io/default-container 2"
}

@test "the sleep before the stop is requested only where the kubelet supports it" {
  local version expected
  while read -r version expected; do
    render --kube-version "$version"
    assert_equal "$version $(rendered StatefulSet '.spec.template.spec.containers[0].lifecycle.preStop.sleep.seconds')" "$version $expected"
  done <<'TABLE'
1.27.0 null
1.29.14 null
1.30.0 3
1.30.2-gke.1 3
1.34.4 3
TABLE
}

@test "a cluster that is too old for the chart is refused" {
  refused --kube-version 1.26.9
  assert_output --partial "kubeVersion: >=1.27.0-0"
}

@test "the pods meet the Pod Security Standard restricted, and have no token and no service variables" {
  render
  local pod
  for pod in StatefulSet/chart-web-app Pod/chart-web-app-test Pod/chart-web-app-test-pod; do
    run rendered "$pod" '(.spec.template.spec // .spec)
      | .automountServiceAccountToken == false and .enableServiceLinks == false
        and (.hostNetwork or .hostPID or .hostIPC | not)
        and .securityContext.runAsNonRoot and .securityContext.seccompProfile.type == "RuntimeDefault"
        and all(.containers[]; .securityContext
          | .allowPrivilegeEscalation == false and .capabilities == {drop: ["ALL"]} and .runAsNonRoot
            and .readOnlyRootFilesystem and .privileged == false and .runAsUser > 10000 and .runAsGroup > 10000)
        and all(.containers[].resources | .requests, .limits; has("cpu") and has("memory") and has("ephemeral-storage"))'
    assert_output true
  done
}

@test "helm test may connect to both ports where httpFrom and adminFrom name other clients" {
  local tests
  render --set networkPolicy.httpFrom[0].podSelector.matchLabels.a=b,networkPolicy.adminFrom[0].podSelector.matchLabels.a=c
  tests=$(rendered Pod/chart-web-app-test '.metadata.labels | {"app.kubernetes.io/name", "app.kubernetes.io/instance"} | tojson')
  assert_equal "$(rendered NetworkPolicy '[.spec.ingress[].from[] | select(.podSelector.matchLabels == '"$tests"')] | length')" 2
}

@test "the network policy allows visitors in, the cluster to the metrics, and nothing out" {
  local tests='{"podSelector":{"matchLabels":{"app.kubernetes.io/name":"web-app-test","app.kubernetes.io/instance":"chart"}}}'
  render
  assert_equal "$(rendered NetworkPolicy '.spec | [.policyTypes, [.ingress[] | [.ports[].port, .from]], .egress // []] | tojson')" \
    '[["Ingress","Egress"],[[8080,null],[8081,[{"namespaceSelector":{}},'"$tests"']]],[]]'
}

@test "the network policies name no port, and their ports are those of the container" {
  # Also EKS' policy agent must find them, which looks a name up in any pod.
  render --values "$CHART/ci/everything-values.yaml"
  jq -e '(map(select(.kind == "StatefulSet"))[0].spec.template.spec.containers[0].ports | map(.containerPort)) as $ports
    | map(select(.kind == "NetworkPolicy") | .spec)
    | length == 2 and all(.[].ingress[].ports[].port; IN($ports[])) and all(.. | objects | .ports // [] | .[].port; type == "number")' "$RENDERED"
}

# reaches ADDRESS PORT: the policy of helm test lets its pod send to this address outside of all pods, as the policy
# counts it: after the translation of a Service's address.
reaches() {
  rendered NetworkPolicy/chart-web-app-test '.spec.egress[]
    | select((.to // []) == [] or any(.to[]; .ipBlock.cidr == "0.0.0.0/0"))
    | .ports[] | "\(.protocol) \(.port)"' | grep -qx "UDP $2" ||
    fail "the pod of helm test cannot reach the DNS at $1:$2"
}

@test "the pod of helm test reaches the DNS of OpenShift, of NodeLocal DNSCache and of GKE" {
  local address port
  render
  while read -r address port; do reaches "$address" "$port"; done <<'TABLE'
10.128.0.3 5353
169.254.20.10 53
169.254.169.254 53
TABLE
  # Negative control: nothing else outside.
  run reaches 192.0.2.1 80
  assert_failure
}

@test "helm test --logs can ask for the log of each hook by its name alone, as Helm 3 does" {
  # It does so for a hook of any kind, and the API server refuses that for a pod with several containers.
  render
  jq -e '(map(select(.kind == "Pod" and (.spec.containers | length == 1)) | .metadata.name)) as $pods
    | map(select(.metadata.annotations["helm.sh/hook"] == "test") | .metadata.name)
    | length == 3 and all(.[]; IN($pods[]))' "$RENDERED"
}

@test "helm test --logs finds the pods' logs: only Helm 4 reads them before it deletes the pods" {
  local policy='.metadata.annotations["helm.sh/hook-delete-policy"]'
  # Built from the module it takes the cluster for version 1.20.
  HELM=helm3 render --kube-version 1.27.16
  assert_equal "$(rendered Pod/chart-web-app-test "$policy")" before-hook-creation
  render
  assert_equal "$(rendered Pod/chart-web-app-test "$policy")" before-hook-creation,hook-succeeded
}

# without_policies: what is rendered, without the annotation that the test above compares.
without_policies() { jq -S 'del(.[].metadata.annotations["helm.sh/hook-delete-policy"])' "$RENDERED"; }

@test "Helm 3 renders the same as Helm 4, and refuses the same" {
  local values kubernetes
  for values in "$CHART"/ci/*-values.yaml; do
    for kubernetes in 1.27.16 1.37.2; do
      render --values "$values" --kube-version "$kubernetes"
      without_policies >"$BATS_TEST_TMPDIR/by-helm-4"
      HELM=helm3 render --values "$values" --kube-version "$kubernetes"
      without_policies >"$BATS_TEST_TMPDIR/by-helm-3"
      diff "$BATS_TEST_TMPDIR/by-helm-4" "$BATS_TEST_TMPDIR/by-helm-3"
    done
    helm3 lint --strict "$CHART" --values "$values"
  done
  HELM=helm3 render --kube-version 1.27.16 --api-versions security.openshift.io/v1
  assert_equal "$(rendered StatefulSet '.spec.template.spec.securityContext.runAsUser')" null
  run helm3 template chart "$CHART" --kube-version 1.27.16 --set sync=sometimes
  assert_failure
  assert_output --partial sync
  run helm3 template chart "$CHART" --kube-version 1.26.9
  assert_failure
  assert_output --partial "kubeVersion: >=1.27.0-0"
}

@test "each optional resource is rendered if and only if its value enables it" {
  local kind
  render --values "$CHART/ci/everything-values.yaml"
  for kind in ServiceMonitor PrometheusRule Ingress HTTPRoute ConfigMap; do
    kinds | grep -q "^$kind/" || fail "no $kind among: $(kinds)"
  done
  render
  for kind in ServiceMonitor PrometheusRule Ingress HTTPRoute ConfigMap; do
    ! kinds | grep -q "^$kind/" || fail "there is a $kind"
  done
}

# shellcheck disable=SC2016 # the notes are for the user's shell
@test "the notes have the commands for pods, port-forward and visits, and say whether the claims are kept" {
  run notes
  assert_output --partial 'export POD_NAME=$(kubectl get pods --namespace test -l "app.kubernetes.io/name=web-app,app.kubernetes.io/instance=chart" -o jsonpath="{.items[0].metadata.name}")'
  assert_output --partial 'export CONTAINER_PORT=$(kubectl get pod --namespace test $POD_NAME -o jsonpath="{.spec.containers[0].ports[0].containerPort}")'
  assert_output --partial 'kubectl --namespace test port-forward $POD_NAME 8080:$CONTAINER_PORT'
  assert_output --partial 'kubectl exec --namespace test chart-web-app-0 -- web-app visits'
  assert_output --partial 'kubectl delete pvc --namespace test -l "app.kubernetes.io/name=web-app,app.kubernetes.io/instance=chart"'
  run notes --set persistence.whenDeleted=Delete
  refute_output --partial 'kubectl delete pvc'
  assert_output --partial 'are deleted by `helm uninstall`'
  run notes --set service.type=NodePort,replicaCount=1
  assert_output --partial '1 pod named'
  assert_output --partial 'export NODE_PORT='
  run notes --set service.type=LoadBalancer
  assert_output --partial '--watch'
  run notes --set ingress.enabled=true,ingress.hosts[0]=visits.example.com
  assert_output --partial 'http://visits.example.com/'
}

@test "helm lint finds nothing, with every ci file" {
  local values
  for values in "$CHART"/ci/*-values.yaml; do
    run helm lint --strict "$CHART" --values "$values"
    assert_success
    refute_output --partial '[WARNING]'
    refute_output --partial '[ERROR]'
  done
}

@test "the rendered resources are valid by the schemas of the oldest and the cluster's Kubernetes, and of the operators" {
  local kubernetes version values
  for kubernetes in kubernetes-oldest kubernetes; do
    version=$(of_chart_sh kubernetes_version "$kubernetes")
    for values in "$CHART"/ci/*-values.yaml; do
      render --values "$values" --kube-version "$version"
      run of_chart_sh conforms "$kubernetes" "$RENDERED.yaml"
      assert_success
      assert_output --partial "Invalid: 0, Errors: 0, Skipped: 0"
    done
  done
  # Negative control: an unknown field is refused.
  sed -i 's/podManagementPolicy:/podManagmentPolicy:/' "$RENDERED.yaml"
  run of_chart_sh conforms kubernetes "$RENDERED.yaml"
  assert_failure
  assert_output --partial podManagmentPolicy
}

@test "the oldest Kubernetes of these schemas is the oldest that the chart allows" {
  local oldest
  oldest=$(of_chart_sh kubernetes_version kubernetes-oldest)
  assert_equal "$(yq .kubeVersion "$CHART/Chart.yaml")" ">=$(sed 's/^v//; s/\.[0-9]*$//' <<<"$oldest").0-0"
}

@test "control: a field that the oldest Kubernetes lacks is found out" {
  render --kube-version 1.30.0
  run of_chart_sh conforms kubernetes-oldest "$RENDERED.yaml"
  assert_failure
  assert_output --partial "'sleep'"
}

@test "kube-score has no complaint" {
  # It demands that an image is always pulled; the chart's default suits images that were loaded into the nodes.
  render --set image.pullPolicy=Always
  run kube-score score --kubernetes-version v1.34 --output-format ci "$RENDERED.yaml"
  echo "$output" | grep -v '^\[OK\]' || true
  assert_success
  refute_output --regexp '\[(WARNING|CRITICAL)\]'
}

@test "the table in the chart's README is up to date with the values" {
  cp -r "$CHART" "$BATS_TEST_TMPDIR/chart"
  helm-docs --chart-search-root "$BATS_TEST_TMPDIR/chart" --log-level warning
  run diff -u "$CHART/README.md" "$BATS_TEST_TMPDIR/chart/README.md"
  assert_success
}

@test "every value has a sentence that describes it" {
  local value
  while read -r value; do
    awk -F ' [|] ' -v value="$value" '
      sub(/^[|] /, "", $1) && index(value ".", $1 ".") == 1 && $4 ~ /^[A-Z`].*\. ?[|]?$/ { found = 1 }
      END { exit !found }' "$CHART/README.md" || fail "$value has no sentence above it in values.yaml"
  done < <(leaves "$CHART/values.yaml")
}

@test "the package holds the chart and no development files" {
  helm package "$CHART" --destination "$BATS_TEST_TMPDIR" >/dev/null
  run tar -tzf "$BATS_TEST_TMPDIR"/web-app-*.tgz
  assert_success
  assert_line web-app/values.schema.json
  assert_line web-app/templates/statefulset.yaml
  assert_line web-app/dashboards/web-app.json
  refute_output --partial /ci/
  refute_output --partial gotmpl
}
