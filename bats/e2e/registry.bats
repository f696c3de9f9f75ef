# A release out of a registry, as users install and verify it: by the commands of README, on a machine without this
# checkout, and with the kubelet's own pull.

load ../lib/registry
load ../lib/cluster

setup_file() {
  requires_release
  start_file registry
  requires_nodes
  requires_registry_hosts
  VERSION=$(version) COSIGN_PASSWORD=password CONTAINER=$NAMESPACE BUSYBOX=localhost/web-app/$NAMESPACE:1
  export VERSION COSIGN_PASSWORD CONTAINER BUSYBOX
  make_key ours
  make_key others
  make_image
  start_registry_beside_nodes
  make_checkout "$BATS_FILE_TMPDIR/checkout"
  release "$BATS_FILE_TMPDIR/checkout" --to "$REGISTRY" --key "$BATS_FILE_TMPDIR/ours.key" >"$BATS_FILE_TMPDIR/release.log" 2>&1 ||
    fail "$(cat "$BATS_FILE_TMPDIR/release.log")"
  DIGEST=$(digest_of "$REGISTRY/web-app:$VERSION")
  export DIGEST
  copy_release unsigned
  tamper
  copy_release others
  cosign_of_others "$REGISTRY/others/web-app@$DIGEST"
}

teardown_file() {
  local node
  end_file
  [ -z "$CONTAINER" ] || docker rm --force "$CONTAINER" >/dev/null 2>&1
  [ -z "$BUSYBOX" ] || docker rmi "$BUSYBOX" >/dev/null 2>&1
  [ -n "$REGISTRY" ] || return 0
  for node in $(nodes); do
    # shellcheck disable=SC2016 # for the node's shell
    on_node "$node" sh -c 'rm -r "/etc/containerd/certs.d/$1"
      ctr --namespace k8s.io images ls --quiet "name~=^$1/" | xargs ctr --namespace k8s.io images rm' _ "$REGISTRY" </dev/null >/dev/null
  done
}

nodes() { kubectl get nodes -o jsonpath='{range .items[*]}{.metadata.name}{"\n"}{end}'; }

# requires_registry_hosts: skips the tests where the nodes do not read how to reach a registry.
requires_registry_hosts() {
  local node
  node=$(nodes | head -n 1)
  on_node "$node" containerd config dump </dev/null | grep -q /etc/containerd/certs.d ||
    skip_or_fail "the containerd of node $node does not read /etc/containerd/certs.d; a new cluster of ours does"
}

# make_image: an image with busybox alone, for the registry and for the user's machine.
make_image() {
  local busybox=$BUILD/tools/busybox/bin/busybox applet
  mkdir -p "$BATS_FILE_TMPDIR/root/bin" "$BATS_FILE_TMPDIR/root/tmp"
  cp "$busybox" "$BATS_FILE_TMPDIR/root/bin/"
  for applet in sh cat ls; do ln -s busybox "$BATS_FILE_TMPDIR/root/bin/$applet"; done
  tar -C "$BATS_FILE_TMPDIR/root" -c . | limited docker import --change 'ENV PATH=/bin' - "$BUSYBOX" 3>&- >/dev/null
}

# start_registry_beside_nodes: starts the registry at the address of the first node, where this machine, the nodes and
# containers reach it alike, and tells the nodes its certificate. Sets $REGISTRY and $NETWORK.
start_registry_beside_nodes() {
  local node address directory=$BATS_FILE_TMPDIR/registry
  node=$(nodes | head -n 1)
  read -r NETWORK address < <(docker inspect --format '{{range $name, $one := .NetworkSettings.Networks}}{{$name}} {{$one.IPAddress}}{{"\n"}}{{end}}' "$node")
  registry_files "$directory" "$address"
  docker run --detach --name "$CONTAINER" --network "container:$node" --env OTEL_TRACES_EXPORTER=none \
    -v "$BUILD/tools/bin/distribution:/bin/distribution:ro" -v "$directory:$directory:ro" \
    "$BUSYBOX" distribution serve "$directory/config.yaml" >/dev/null
  try --max 200 --delay 0.1 -- registry_listens || fail "no registry: $(registry_log)"
  REGISTRY=$address:$(registry_port <(registry_log)) SSL_CERT_DIR=$directory/certificates
  no_proxy+=,$address NO_PROXY=$no_proxy
  export REGISTRY NETWORK SSL_CERT_DIR no_proxy NO_PROXY
  for node in $(nodes); do
    # shellcheck disable=SC2016 # for the node's shell
    on_node "$node" sh -c 'mkdir -p "/etc/containerd/certs.d/$1" && cd "/etc/containerd/certs.d/$1" && cat >ca.crt &&
      printf "server = \"https://%s\"\n[host.\"https://%s\"]\n  ca = \"%s/ca.crt\"\n" "$1" "$1" "$PWD" >hosts.toml' _ "$REGISTRY" \
      <"$SSL_CERT_DIR/registry.pem"
  done
}

registry_log() { docker logs "$CONTAINER" 2>&1; }

registry_listens() { registry_port <(registry_log); }

# users_machine PROGRAM COMMANDS: runs them in a container with this one program, the user's kubeconfig and the public key, and
# nothing of this project.
users_machine() {
  local kubeconfig=$BATS_FILE_TMPDIR/kubeconfig server
  server=$(kubectl --namespace default get endpointslices -l kubernetes.io/service-name=kubernetes \
    -o jsonpath='{.items[0].endpoints[0].addresses[0]}:{.items[0].ports[0].port}')
  kubectl config view --minify --flatten -o json | jq --arg server "https://$server" '.clusters[].cluster.server = $server' >"$kubeconfig"
  docker run --rm --network "$NETWORK" --workdir /tmp --env HOME=/tmp --env REGISTRY="$REGISTRY" --env HELM_NAMESPACE="$NAMESPACE" \
    --env KUBECONFIG=/kubeconfig --env SSL_CERT_DIR=/certificates -v "$kubeconfig:/kubeconfig:ro" -v "$SSL_CERT_DIR:/certificates:ro" \
    -v "$(realpath "$BUILD/tools/bin/$1"):/bin/$1:ro" -v "$BATS_FILE_TMPDIR/ours.pub:/tmp/cosign.pub:ro" "$BUSYBOX" sh -euc "$2"
}

# copy_release NAME: copies image and chart to $REGISTRY/NAME, without their signatures.
copy_release() {
  local repository
  for repository in web-app charts/web-app; do
    skopeo copy --quiet --all "docker://$REGISTRY/$repository:$VERSION" "docker://$REGISTRY/$1/$repository:$VERSION"
  done
}

# copy_signatures DIGEST NAME/REPOSITORY DIGEST-THERE: copies the signatures of the image.
copy_signatures() {
  skopeo copy --quiet --all "docker://$REGISTRY/web-app:sha256-${1#*:}" "docker://$REGISTRY/$2:sha256-${3#*:}"
}

# tamper: pushes the image with another command to $REGISTRY/tampered, with the signatures of ours.
tamper() {
  local layout=$BATS_FILE_TMPDIR/tampered old new
  cp -r "$BATS_FILE_TMPDIR/checkout/build/image/oci" "$layout"
  old=$(jq -r '.manifests[0].digest' "$layout/$(blob "$DIGEST")")
  new=$(put "$layout" '.config.Entrypoint = ["web-app", "help"]' "$(jq -r .config.digest "$layout/$(blob "$old")")")
  new=$(put "$layout" ".config.digest = \"$new\" | .config.size = $(stat -c %s "$layout/$(blob "$new")")" "$old")
  new=$(put "$layout" ".manifests[0].digest = \"$new\" | .manifests[0].size = $(stat -c %s "$layout/$(blob "$new")")" "$DIGEST")
  jq -c --arg digest "$new" --argjson size "$(stat -c %s "$layout/$(blob "$new")")" '.manifests[0].digest = $digest | .manifests[0].size = $size' \
    "$layout/index.json" >"$layout/index.new"
  mv "$layout/index.new" "$layout/index.json"
  skopeo copy --quiet --all "oci:$layout" "docker://$REGISTRY/tampered/web-app:$VERSION"
  copy_signatures "$DIGEST" tampered/web-app "$new"
}

blob() { echo "blobs/${1/://}"; }

# put LAYOUT FILTER DIGEST: changes the blob by the jq filter, and prints the digest of the result.
put() {
  local hash
  jq -c "$2" "$1/$(blob "$3")" >"$1/new"
  hash=$(sha256sum <"$1/new" | cut -d ' ' -f 1)
  mv "$1/new" "$1/blobs/sha256/$hash"
  echo "sha256:$hash"
}

# cosign_of_others REFERENCE: signs it with another key than ours.
cosign_of_others() {
  cosign signing-config create --out "$BATS_FILE_TMPDIR/no-service.json"
  cosign sign --yes --key "$BATS_FILE_TMPDIR/others.key" --signing-config "$BATS_FILE_TMPDIR/no-service.json" "$1" 2>/dev/null
}

@test "a machine with Docker and helm only gets three Ready pods out of the registry, by the command of README" {
  run users_machine helm "$(readme_commands 'install by helm')"
  assert_success
  assert_output --partial "STATUS: deployed"
  assert_equal "$(kubectl get pods --selector "$SELECTOR" -o jsonpath='{.items[*].status.containerStatuses[*].ready}')" "true true true"
  visit chart-web-app-0 2
  assert_visits chart-web-app-0 2
  assert_equal "$(kubectl exec chart-web-app-0 -- web-app version)" "web-app $VERSION"
}

@test "the kubelet pulls the image by its digest, and of the index the image of its architecture alone" {
  local pod pulled architecture platform
  assert_equal "$(manifest "$REGISTRY/web-app:$VERSION" | jq -r '.manifests[].platform.architecture' | xargs)" "amd64 arm64"
  for pod in $(pods); do
    assert_equal "$(field "pod/$pod" .spec.containers[0].image)" "$REGISTRY/web-app@$DIGEST"
    assert_equal "$(field "pod/$pod" '.status.containerStatuses[0].imageID')" "$REGISTRY/web-app@$DIGEST"
  done
  # No node had the image: each that runs a pod has pulled it.
  assert_equal "$(kubectl get events --field-selector reason=Pulled -o json | jq -r '
    .items[] | select(.message | startswith("Successfully pulled image")) | .reportingInstance' | sort -u)" \
    "$(kubectl get pods --selector "$SELECTOR" -o json | jq -r '.items[].spec.nodeName' | sort -u)"
  architecture=$(kubectl get nodes -o jsonpath='{.items[0].status.nodeInfo.architecture}')
  platform=$(manifest "$REGISTRY/web-app:$VERSION" | jq -r --arg architecture "$architecture" \
    '.manifests[] | select(.platform.architecture == $architecture).digest')
  pulled=$(registry_log | sed -nE 's|.*"GET /v2/web-app/manifests/([^ ]*) HTTP.*"containerd/.*|\1|p' | sort -u)
  assert_equal "$pulled" "$(printf '%s\n' "$DIGEST" "$platform" | sort)"
}

@test "image and chart pass the commands of README on that machine" {
  run users_machine cosign "$(readme_commands 'verify with a key')"
  assert_success
  assert_output --partial "\"docker-manifest-digest\":\"$DIGEST\""
  assert_output --partial "\"docker-manifest-digest\":\"$(digest_of "$REGISTRY/charts/web-app:$VERSION")\""
}

@test "a copy in another registry passes too, if it has the signatures" {
  copy_release mirror
  copy_signatures "$DIGEST" mirror/web-app "$DIGEST"
  REGISTRY=$REGISTRY/mirror run users_machine cosign "$(readme_commands 'verify with a key' | head -n 1)"
  assert_success
}

# refused NAME COMMAND OUTPUT: that command of README's verification, the first or the second, fails for $REGISTRY/NAME.
refused() {
  REGISTRY=$REGISTRY/$1 run users_machine cosign "$(readme_commands 'verify with a key' | sed -n "$2p")"
  assert_failure || return
  assert_output --partial "$3"
}

@test "control: an image and a chart without a signature are refused" {
  refused unsigned 1 'no signatures found'
  refused unsigned 2 'no signatures found'
}

@test "control: a tampered image is refused, although it has the signatures of ours" {
  refused tampered 1 'provided artifact digest does not match any digest in statement'
  # It is an image like ours, and it would run.
  assert_equal "$(manifest "$REGISTRY/tampered/web-app:$VERSION" | jq -r '.manifests[].platform.architecture' | xargs)" "amd64 arm64"
}

@test "control: an image that somebody else has signed is refused" {
  refused others 1 'accepted signatures do not match threshold'
  cosign verify --key "$BATS_FILE_TMPDIR/others.pub" --insecure-ignore-tlog "$REGISTRY/others/web-app:$VERSION"
}

@test "control: the SBOM of a tampered image is refused" {
  cp "$BATS_FILE_TMPDIR/ours.pub" "$BATS_TEST_TMPDIR/cosign.pub"
  cd "$BATS_TEST_TMPDIR" || return
  run limited bash -euo pipefail -c "$(readme_commands 'read the SBOM')"
  assert_success
  REGISTRY=$REGISTRY/tampered run limited bash -euo pipefail -c "$(readme_commands 'read the SBOM')"
  assert_failure
}
