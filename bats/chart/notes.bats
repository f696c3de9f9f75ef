# Where the notes say that the visitors are served: each URL as it is printed, or as the printed commands print it.

load ../lib/chart

setup() {
  # kubectl, as the notes' commands use it. What it says is in $says, and what it was asked in the file `asked`.
  mkdir "$BATS_TEST_TMPDIR/bin"
  cat >"$BATS_TEST_TMPDIR/bin/kubectl" <<'SH'
#!/usr/bin/env bash
echo "$*" >>"${0%/*}/../asked"
case $* in
  "get service --namespace test chart-web-app -o jsonpath={.spec.ports[0].nodePort}") echo -n "$node_port" ;;
  "get nodes -o jsonpath={.items[0].status.addresses[0].address}") echo -n "$address" ;;
  "get service --namespace test chart-web-app -o jsonpath={.status.loadBalancer.ingress[0]['ip','hostname']}") echo -n "$address" ;;
  "get service --namespace test chart-web-app --watch") ;;
  "get ingress --namespace test chart-web-app" | "get gateways.gateway.networking.k8s.io --namespace "*) ;;
  *) echo "the notes ask kubectl for $*" >&2; exit 1 ;;
esac
SH
  chmod +x "$BATS_TEST_TMPDIR/bin/kubectl"
}

# urls [HELM ARGUMENT...]: the URLs of the notes, a line each, after that of the port-forward.
urls() { notes "$@" | sed -nE 's/^  (https?:.*)/\1/p'; }

# commands PATTERN [HELM ARGUMENT...]: the commands below the line of the notes that matches.
commands() { notes "${@:2}" | awk -v pattern="$1" '!/^  / { found = $0 ~ pattern } found && /^  / { print substr($0, 3) }'; }

# executed PATTERN ADDRESS [HELM ARGUMENT...]: what these commands print where kubectl knows that address.
executed() {
  commands "$1" "${@:3}" >"$BATS_TEST_TMPDIR/commands"
  [ -s "$BATS_TEST_TMPDIR/commands" ] || fail "the notes have no commands below $1" || return
  PATH=$BATS_TEST_TMPDIR/bin:$PATH node_port=${node_port:-30080} address=$2 bash -eu "$BATS_TEST_TMPDIR/commands"
}

@test "each host of the Ingress has the scheme that its certificates give it" {
  local arguments expected
  while IFS='|' read -r arguments expected; do
    read -ra arguments <<<"$arguments"
    assert_equal "$(urls --set ingress.enabled=true "${arguments[@]/#/--set=}" | xargs)" "$(xargs <<<"$expected")"
  done <<'TABLE'
ingress.hosts={a.example,b.example} | http://a.example/ http://b.example/
ingress.hosts={a.example,b.example} ingress.tls[0].secretName=s ingress.tls[0].hosts={a.example} | https://a.example/ http://b.example/
ingress.hosts={a.example,b.example} ingress.tls[0].secretName=s ingress.tls[0].hosts={b.example} | http://a.example/ https://b.example/
ingress.hosts={a.example,b.example} ingress.tls[0].secretName=s ingress.tls[0].hosts={a.example} ingress.tls[1].secretName=t ingress.tls[1].hosts={b.example} | https://a.example/ https://b.example/
ingress.hosts={a.example,b.example} ingress.tls[0].secretName=s | https://a.example/ https://b.example/
ingress.hosts={a.c.example,c.example,a.b.c.example} ingress.tls[0].secretName=s ingress.tls[0].hosts={*.c.example} | https://a.c.example/ http://c.example/ http://a.b.c.example/
ingress.hosts={*.c.example,*.d.example} ingress.tls[0].secretName=s ingress.tls[0].hosts={*.c.example} | https://NAME.c.example/ http://NAME.d.example/
ingress.hosts=null | |
TABLE
}

@test "an Ingress for every host has the command that shows its address" {
  run commands "The Ingress serves every host name by http," --set ingress.enabled=true
  assert_output "kubectl get ingress --namespace test chart-web-app"
  run executed "The Ingress serves every host name by https," - --set ingress.enabled=true,ingress.tls[0].secretName=s
  assert_success
}

@test "an HTTPRoute's hosts are among the URLs" {
  local gateway=(--set "httpRoute.enabled=true,httpRoute.parentRefs[0].name=g") hosts=(--set "httpRoute.hostnames={a.example,*.b.example}")
  assert_equal "$(urls "${gateway[@]}" "${hosts[@]}" | xargs)" "http://a.example/ http://NAME.b.example/"
  assert_equal "$(urls "${gateway[@]}" "${hosts[@]}" --set 'httpRoute.parentRefs[0].port=443' | xargs)" "https://a.example/ https://NAME.b.example/"
  assert_equal "$(urls "${gateway[@]}" "${hosts[@]}" --set 'httpRoute.parentRefs[1].name=h,httpRoute.parentRefs[1].port=8080' | xargs)" \
    "http://a.example/ http://NAME.b.example/ http://a.example:8080/ http://NAME.b.example:8080/"
  assert_equal "$(urls "${gateway[@]}" "${hosts[@]}" --set 'httpRoute.parentRefs[1].name=h' | xargs)" "http://a.example/ http://NAME.b.example/"
  assert_equal "$(urls "${gateway[@]}")" ""
  run commands "The Gateway serves the host names" "${gateway[@]}" --set 'httpRoute.parentRefs[1].name=h,httpRoute.parentRefs[1].namespace=gateways'
  assert_output "kubectl get gateways.gateway.networking.k8s.io --namespace test g
kubectl get gateways.gateway.networking.k8s.io --namespace gateways h"
}

@test "a node's address and a load balancer's become a URL, IPv6 in brackets" {
  local address url
  while read -r address url; do
    assert_equal "$(executed "Every node serves" "$address" --set service.type=NodePort)" "http://$url:30080/"
    assert_equal "$(executed "Then it serves" "$address" --set service.type=LoadBalancer)" "http://$url/"
    assert_equal "$(executed "Then it serves" "$address" --set service.type=LoadBalancer,service.port=8000)" "http://$url:8000/"
  done <<'TABLE'
192.0.2.1 192.0.2.1
fd00::1 [fd00::1]
balancer.example balancer.example
TABLE
  # A balancer may have both.
  assert_equal "$(executed "Then it serves" "192.0.2.1 balancer.example" --set service.type=LoadBalancer)" "http://192.0.2.1/"
  run executed "gets its address after a moment" - --set service.type=LoadBalancer
  assert_success
  assert_equal "$(tail -n 1 "$BATS_TEST_TMPDIR/asked")" "get service --namespace test chart-web-app --watch"
}

# answers ADDRESS: the URL that the notes print for a node with that address leads to the program.
answers() {
  local address=$1 url
  if [[ $address = *:* ]]; then start_web_app --listen "[$address]:0"; else start_web_app; fi
  url=$(node_port=$port executed "Every node serves" "$address" --set service.type=NodePort) || return
  run curl -sS --fail --max-time 20 "$url"
  assert_success || return
  assert_equal "$(count_visits)" 1
}

@test "the URL of a node is answered" { answers 127.0.0.1; }

@test "the URL of a node with IPv6 is answered" {
  [ -e /proc/net/if_inet6 ] && grep -q '^0*1 ' /proc/net/if_inet6 || skip_or_fail "this machine lacks IPv6"
  answers ::1
}

@test "without pods the notes print nothing that would need one" {
  local everything=(--set "ingress.enabled=true,ingress.hosts={a.example},httpRoute.enabled=true,httpRoute.parentRefs[0].name=g,httpRoute.hostnames={a.example}")
  run notes --set replicaCount=0,service.type=NodePort "${everything[@]}"
  assert_output --partial "no pods, because replicaCount is 0"
  refute_output --partial http
  refute_output --partial 'kubectl get'
  refute_output --partial 'kubectl exec'
  refute_output --partial port-forward
  assert_output --partial 'kubectl delete pvc'
  # Control: with one pod they do.
  run notes --set replicaCount=1,service.type=NodePort "${everything[@]}"
  assert_output --partial http://a.example/
  assert_output --partial 'kubectl get nodes'
  assert_output --partial 'kubectl exec --namespace test chart-web-app-0'
}
