# Our own node image: Debian, programs from the Go module proxy, and kind's node files. Sourced by cluster.sh.
# shellcheck shell=bash
#
# Three parts, each built again only if its inputs change: the Debian base (an image of its own in Docker),
# the programs (Go's build cache), and the node image, whose tag is the hash of all pins and of this recipe.

readonly NODE_SUITE=bookworm
# systemd of a later suite refuses cgroup v1, which many hosts still have; containerd 1.6 and runc 1.1 suit kind's files.
readonly NODE_PACKAGES=(systemd systemd-sysv containerd runc containernetworking-plugins conntrack ipset iptables nftables
  iproute2 ethtool util-linux mount kmod procps bash jq pigz busybox-static)
# Large files of these packages that a node never uses.
readonly NODE_EXCLUDES=('/usr/share/doc/*' '/usr/share/man/*' '/usr/share/locale/*' '/usr/share/info/*'
  /usr/bin/containerd-shim /usr/bin/containerd-shim-runc-v1 /usr/bin/containerd-stress
  /usr/lib/cni/{bandwidth,bridge,dhcp,firewall,host-device,ipvlan,macvlan,sbr,static,tuning,vlan,vrf})

minor_of() { cut -d . -f 1,2 <<<"${1#v}"; }

# older_minors: prints the minor versions of the older Kubernetes that a cluster can have.
older_minors() {
  local directory
  for directory in "$GO_MODULES"/kubernetes-[0-9]*; do echo "${directory##*/kubernetes-}"; done
}

# choose_kubernetes: prints the module that CLUSTER_KUBERNETES selects.
choose_kubernetes() {
  local newest wanted=${CLUSTER_KUBERNETES:-}
  newest=$(minor_of "$(go_version_of kubernetes)")
  if [ -z "$wanted" ] || [ "$wanted" = "$newest" ]; then
    echo kubernetes
  elif older_minors | grep -qxF "$wanted"; then
    echo "kubernetes-$wanted"
  else
    die "CLUSTER_KUBERNETES is $(older_minors | sed 's/$/ or/' | tr '\n' ' ')$newest, not $wanted"
  fi
}

KUBERNETES_MODULE=$(choose_kubernetes)
KUBERNETES_VERSION=$(go_version_of "$KUBERNETES_MODULE")
readonly KUBERNETES_MODULE KUBERNETES_VERSION

short_hash() { sha256sum | cut -c 1-12; }

# The container in which this checkout builds its node image.
NODE_BUILDER=web-app-node-builder-$(short_hash <<<"$ROOT")
readonly NODE_BUILDER

node_base() { printf 'web-app-node-base:%s-%s\n' "$NODE_SUITE" "$(declare -p NODE_PACKAGES NODE_EXCLUDES | short_hash)"; }

# The image's name must not depend on the Go version: on a machine without Go the image may be loaded from a file.
node_image() {
  local hash
  hash=$({
    node_base
    go_pins "$KUBERNETES_MODULE"
    go_pins kube-router
    go_version_of kind
    cat "$CLUSTER_DIR"/node/*
  } | short_hash)
  printf 'web-app-node:%s-%s\n' "$KUBERNETES_VERSION" "$hash"
}

has_image() { docker image inspect "$1" >/dev/null 2>&1; }

make_base() {
  local options=() path mirror archive=$BUILD/cluster/base.tar
  mirror=$(debian_mirror) || return
  for path in "${NODE_EXCLUDES[@]}"; do options+=("--dpkgopt=path-exclude=$path"); done
  mkdir -p "$BUILD/cluster"
  rm -f "$archive"
  mmdebstrap --variant=minbase --include="$(IFS=, && echo "${NODE_PACKAGES[*]}")" --aptopt='Acquire::Retries "3"' \
    "${options[@]}" "$NODE_SUITE" "$archive" "$mirror"
  docker import "$archive" "$(node_base)"
  rm "$archive"
}

# Debian's packages are downloaded while Go compiles, in a process group of its own.
start_base() {
  base_status=$BUILD/cluster/base.status
  mkdir -p "$BUILD/cluster" "$BUILD/log"
  rm -f "$base_status"
  set -m
  (
    # A mirror that is being updated may lack a file of its index; the next index is right.
    make_base || make_base && status=0 || status=$?
    echo "${status:-0}" >"$base_status"
  ) >"$BUILD/log/node-base.log" 2>&1 </dev/null &
  base_group=$!
  set +m
}

stop_base() {
  [ -z "${base_group:-}" ] || kill -- "-$base_group" 2>/dev/null || true
  base_group=
}

finish_base() {
  # Not `wait`: a step runs in a subshell, and this process is not its child.
  tail --pid="$base_group" -f /dev/null
  cat "$BUILD/log/node-base.log"
  [ "$(cat "$BUILD/cluster/base.status")" = 0 ]
}

# make_program MODULE NAME PACKAGE: build/cluster/bin/NAME, linked again only if its module or Go has changed.
make_program() {
  local output=$BUILD/cluster/bin/$2 stamp=$BUILD/cluster/stamp/$2 hash
  hash=$(go_hash "$1")
  [ ! -x "$output" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ] || return 0
  go_build "$1" "$3" "$output"
  mkdir -p "$BUILD/cluster/stamp"
  echo "$hash" >"$stamp"
}

make_kubernetes() { make_program "$KUBERNETES_MODULE" kubernetes .; }

make_others() {
  make_program "$KUBERNETES_MODULE" coredns ./coredns
  make_program "$KUBERNETES_MODULE" pause ./pause
  make_program "$KUBERNETES_MODULE" etcd go.etcd.io/etcd/server/v3
  make_program "$KUBERNETES_MODULE" local-path-provisioner github.com/rancher/local-path-provisioner
  make_program kube-router kube-router .
}

# kind_node_files: the directory of kind's module that its own node image is made from.
kind_node_files() {
  (
    cd "$GO_MODULES/kind" || exit
    export GOFLAGS=-mod=readonly GOWORK=off
    go mod download sigs.k8s.io/kind
    echo "$(go list -m -f '{{.Dir}}' sigs.k8s.io/kind)/images/base/files"
  )
}

# pinned_version MODULE DEPENDENCY: prints the version that the module pins.
pinned_version() { awk -v dependency="$2" '$1 == dependency { print $2 }' "$GO_MODULES/$1/go.mod"; }

assemble_node_image() {
  local source=$BUILD/cluster/source files
  files=$(kind_node_files)
  rm -rf "$source"
  mkdir -p "$source/src"
  cp -r "$BUILD/cluster/bin" "$CLUSTER_DIR/node" "$source/src"
  cp -r "$files" "$source/src/kind"
  chmod -R u+w "$source/src/kind"
  echo "$KUBERNETES_VERSION" >"$source/src/version"
  pinned_version "$KUBERNETES_MODULE" github.com/rancher/local-path-provisioner >"$source/src/provisioner"
  pinned_version kube-router github.com/cloudnativelabs/kube-router/v2 >"$source/src/kube-router"

  docker rm -f "$NODE_BUILDER" >/dev/null 2>&1 || true
  docker run -d --name "$NODE_BUILDER" --network none --stop-signal SIGRTMIN+3 "$(node_base)" sleep infinity
  tar -C "$source" -c src | docker cp - "$NODE_BUILDER:/"
  docker exec "$NODE_BUILDER" /src/node/assemble
  docker commit --change 'ENTRYPOINT ["/usr/local/bin/web-app-node", "/sbin/init"]' --change 'CMD []' \
    --change 'ENV container=docker' "$NODE_BUILDER" "$(node_image)"
  docker rm -f "$NODE_BUILDER" >/dev/null
  rm -rf "$source"
}

# save_node_image FILE: compresses the image as the file's name says.
save_node_image() {
  local pack=(cat)
  case $1 in
    *.gz) pack=(gzip) ;;
    *.zst) pack=(zstd -q -T0) ;;
    *.xz) pack=(xz -T0) ;;
  esac
  docker save "$(node_image)" | "${pack[@]}" >"$1.new"
  mv "$1.new" "$1"
}

load_node_image() {
  local unpack=(cat)
  # `docker load` reads gzip and xz; only newer versions read zstd.
  case $1 in *.zst) unpack=(zstd -q -d -c) ;; esac
  "${unpack[@]}" <"$1" | docker load
}
