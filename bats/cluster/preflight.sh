# Checks before any work is done; each failure is one line with its remedy. Sourced by cluster.sh.
# shellcheck shell=bash

preflight_docker() {
  local output
  command -v docker >/dev/null || die "there is no docker; install it (apt-get install docker.io) and try again"
  output=$(timeout 20 docker version --format '{{.Server.Version}}' 2>&1) && return
  case $output in
    *'permission denied'*) die "docker refuses this user; add it to the group: sudo usermod -aG docker $(id -un), then log in again" ;;
    *) die "the docker daemon does not respond; start it (sudo systemctl start docker) and try again" ;;
  esac
}

# free_mib PATH: prints the free space of PATH's file system, or nothing if the path is on another machine.
free_mib() {
  local path=$1
  while [ ! -e "$path" ] && [ "$path" != / ]; do path=$(dirname "$path"); done
  df -Pm "$path" 2>/dev/null | awk 'NR == 2 { print $4 }'
}

memory_mib() { awk '$1 == "MemAvailable:" { print int($2 / 1024) }' /proc/meminfo; }

# need_space MIB PATH WHAT: dies unless PATH's file system has that much free space for WHAT.
need_space() {
  local free
  [ -n "$2" ] || return 0
  free=$(free_mib "$2")
  [ -z "$free" ] || [ "$free" -ge "$1" ] ||
    die "$3 needs $1 MiB of disk below $2, where $free MiB are free; make room (docker system df shows what Docker holds)"
}

need_memory() {
  local free
  free=$(memory_mib)
  [ "$free" -ge "$1" ] || die "$2 needs $1 MiB of memory, $free MiB are free; stop something or set CLUSTER_NODES=1"
}

# inotify_free: prints how many inotify(7) instances root, as whom the nodes run, may still have on this machine. Only root
# sees how many it has.
inotify_free() {
  local used
  used=$(find /proc/[0-9]*/fd -uid 0 -lname anon_inode:inotify 2>/dev/null | wc -l || true)
  echo $(($(cat /proc/sys/fs/inotify/max_user_instances) - used))
}

# need_inotify NUMBER WHAT: without enough instances kubelet and containerd end with "too many open files".
need_inotify() {
  local free
  free=$(inotify_free)
  [ "$free" -ge "$1" ] ||
    die "$2 needs $1 inotify instances, $free are free; raise the limit (sudo sysctl fs.inotify.max_user_instances=1024) or set CLUSTER_NODES=1"
}

# images_in_containerd: Docker keeps images in containerd's store, as new installations do since Docker 29.
images_in_containerd() { docker info --format '{{.DriverStatus}}' | grep -q 'io\.containerd\.snapshotter'; }

# preflight_store: from that store kind loads only an image that was saved for one platform, which Docker can do since 28.
preflight_store() {
  local version
  images_in_containerd || return 0
  version=$(docker version --format '{{.Client.Version}} {{.Server.Version}}' | tr ' ' '\n' | sort -V | head -n 1)
  [ "${version%%.*}" -ge 28 ] ||
    die "kind cannot load images from the containerd image store of Docker $version; update Docker to 28, or set {\"features\": {\"containerd-snapshotter\": false}} in /etc/docker/daemon.json and restart it"
}

port_in_use() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# preflight: checks the needs of every `up`.
preflight() {
  local nodes=${CLUSTER_NODES:-3}
  preflight_docker
  [[ $nodes =~ ^[1-9]$ ]] || die "CLUSTER_NODES is a number from 1 to 9, not $nodes"
  [[ $CLUSTER_NAME =~ ^[a-z0-9][a-z0-9.-]*$ ]] || die "CLUSTER_NAME is of a-z, 0-9, dots and dashes, not $CLUSTER_NAME"
  [ "$(cluster_owner)" = none ] || return 0
  if [ -n "${CLUSTER_API_PORT:-}" ] && port_in_use "$CLUSTER_API_PORT"; then
    die "port $CLUSTER_API_PORT is in use; choose another CLUSTER_API_PORT, or unset it for any that is free"
  fi
  preflight_store
  need_memory $((400 + 500 * nodes)) "a cluster of $nodes nodes"
  # systemd, kubelet, containerd and its shims of each node, and the control plane.
  [ -z "$(docker_root)" ] || need_inotify $((20 + 20 * nodes)) "a cluster of $nodes nodes"
  need_space $((500 + 1000 * nodes)) "$(docker_root)" "a cluster of $nodes nodes"
}

# docker_root: prints the directory of Docker's data, or nothing if it is on another machine.
docker_root() {
  local directory
  directory=$(docker info --format '{{.DockerRootDir}}')
  [ ! -d "$directory" ] || echo "$directory"
}

# preflight_build: checks the needs of building the node image, if it must be built.
preflight_build() {
  [ "${1:-$image_kind}" = own ] && ! has_image "$(node_image)" || return 0
  need_go "$KUBERNETES_MODULE"
  need_go kube-router
  need_space 2500 "$(docker_root)" "the node image"
  need_space 2500 "$ROOT" "compiling Kubernetes"
  need_space 3500 "$(go env GOCACHE)" "compiling Kubernetes"
  need_memory 2500 "compiling Kubernetes"
  need node
}
