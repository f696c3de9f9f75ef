# What `build.sh cluster` decides, with stubs in place of docker, kind and kubectl: no cluster is made here.
# shellcheck disable=SC2016 # the code in quotes is for the driver

load ../lib/common

# decide CODE: runs CODE with cluster.sh sourced as in build.sh, and only the stubs and plain tools on PATH.
decide() {
  run env PATH="$STUBS:$PLAIN" ROOT="$ROOT" BUILD="$BATS_TEST_TMPDIR/build" CALLS="$CALLS" HOME="$BATS_TEST_TMPDIR" \
    bash "$BATS_TEST_TMPDIR/driver" "$1" </dev/null
}

# stub NAME: puts a command on PATH that records its arguments and then runs the script on standard input.
stub() {
  {
    printf '#!/bin/bash\necho "%s $*" >>"$CALLS"\n' "$1"
    cat
  } >"$STUBS/$1"
  chmod +x "$STUBS/$1"
}

called() { grep -qE -- "$1" "$CALLS"; }

assert_called() { called "$1" || fail "nothing called $1; the calls were: $(cat "$CALLS")"; }
refute_called() { ! called "$1" || fail "$(grep -E -- "$1" "$CALLS") was called"; }

# assert_one_line REGEX: it fails with one line that matches, the error and its remedy.
assert_one_line() {
  assert_failure
  assert_equal "${#lines[@]}" 1
  assert_output --regexp "^build.sh: $1"
}

# docker_stub: a Docker 27 without a cluster. A case statement on standard input overrides its replies.
docker_stub() {
  {
    cat
    cat <<'END'
case "$*" in
  'version --format {{.Server.Version}}') echo 27.0.1 ;;
  'info --format {{.DockerRootDir}}') echo / ;;
  'info --format {{.Driver}}') echo overlay2 ;;
  'info --format {{.DriverStatus}}') echo '[[Backing Filesystem extfs]]' ;;
  'info --format {{.CgroupVersion}}') echo 2 ;;
  'ps --all --filter'*) ;;
  'image inspect '*) exit 1 ;;
  'manifest inspect '*) exit 1 ;;
esac
END
  } | stub docker
}

setup() {
  unset CLUSTER_NAME CLUSTER_NODES CLUSTER_NODE_IMAGE CLUSTER_KUBERNETES CLUSTER_API_PORT E2E_CONTEXT
  MINOR=$(sed -n 's/.*k8s.io\/kubernetes v1\.\([0-9]*\)\..*/\1/p' "$ROOT/third_party/go/kubernetes/go.mod")
  export MINOR
  STUBS=$BATS_TEST_TMPDIR/stubs PLAIN=$BATS_TEST_TMPDIR/plain CALLS=$BATS_TEST_TMPDIR/calls
  mkdir -p "$STUBS" "$PLAIN" "$BATS_TEST_TMPDIR/build/tools/bin"
  : >"$CALLS"
  local tool
  for tool in awk bash cat chmod cp cut date df dirname env find flock grep head id jq ln mkdir mktemp mv printf readlink rm \
    sed sha256sum sleep sort tail timeout tr wc xargs; do
    ln -s "$(type -P $tool)" "$PLAIN/$tool"
  done
  cat >"$BATS_TEST_TMPDIR/driver" <<'END'
set -euo pipefail
say() { printf '%s\n' "$*" >&2; }
die() { say "build.sh: $*"; exit 1; }
elapsed() { echo '1.0 s'; }
step() { say "step: $1"; shift; "$@"; }
need() { echo "need $*" >>"$CALLS"; }
source "$ROOT/bats/cluster/cluster.sh"
free_mib() { echo 20480; }
memory_mib() { echo 20480; }
inotify_free() { echo 1000; }
eval "$1"
END
  docker_stub <<<''
}

@test "E2E_CONTEXT takes precedence, and no cluster is made" {
  stub kubectl <<'END'
case "$*" in
  *'config view --minify --flatten --context mine') echo 'current-context: mine' ;;
  *) echo "{\"clientVersion\": {\"gitVersion\": \"v1.$MINOR.1\"}, \"serverVersion\": {\"gitVersion\": \"v1.$((MINOR - 1)).0\"}}" ;;
esac
END
  E2E_CONTEXT=mine decide 'load_busybox() { :; }; check_cluster() { :; }; cluster_main up'
  assert_success
  assert_equal "$(cat "$BATS_TEST_TMPDIR/build/kubeconfig")" 'current-context: mine'
  assert_equal "$(stat -c %a "$BATS_TEST_TMPDIR/build/kubeconfig")" 600
  refute_called '^docker '
}

@test "a context that the user's kubeconfig lacks gives one line" {
  stub kubectl <<'END'
case "$*" in
  *'config view'*) echo 'error: no context exists' >&2; exit 1 ;;
  *) echo "{\"clientVersion\": {\"gitVersion\": \"v1.$MINOR.1\"}}" ;;
esac
END
  E2E_CONTEXT=mine decide 'cluster_main up'
  assert_one_line 'your kubeconfig has no context mine; kubectl config get-contexts'
}

@test "taking a context down forgets it and leaves the cluster alone" {
  touch "$BATS_TEST_TMPDIR/build/kubeconfig"
  E2E_CONTEXT=mine decide 'cluster_main down'
  assert_success
  assert_not_exist "$BATS_TEST_TMPDIR/build/kubeconfig"
  assert_equal "$(cat "$CALLS")" ''
}

@test "kind and minikube load images by their own commands; on another cluster a message says that it must pull them" {
  stub minikube <<<'[ "$*" != "status -p plain" ]'
  decide 'cluster_tool() { :; }; run_kind() { echo "kind $*"; }
    E2E_CONTEXT=kind-other cluster_load web-app:1; E2E_CONTEXT=mini cluster_load web-app:1
    E2E_CONTEXT=plain cluster_load web-app:1; cluster_load web-app:1'
  assert_success
  assert_line --index 0 'kind load docker-image --name other web-app:1'
  assert_called '^minikube image load -p mini web-app:1$'
  assert_line --index 1 --partial 'context plain is neither kind nor minikube'
  assert_line --index 2 'kind load docker-image --name web-app web-app:1'
}

@test "kind's usual node image is used if Docker has it, and no registry is asked" {
  docker_stub <<<'case "$*" in "image inspect kindest/node:"*) exit 0 ;; esac'
  decide 'choose_node_image; echo "$image_kind $image_name"'
  assert_output --regexp '^usual kindest/node:v[0-9.]+@sha256:[0-9a-f]{64}$'
  refute_called 'manifest'
}

@test "kind's usual node image is used if the registry has it" {
  docker_stub <<<'case "$*" in "manifest inspect kindest/node:"*) exit 0 ;; esac'
  decide 'choose_node_image; echo "$image_kind"'
  assert_output usual
}

@test "if the registry does not reply within 10 seconds, the node image is our own" {
  stub timeout <<<'shift; exec "$@"'
  decide 'choose_node_image; echo "$image_kind $image_name"'
  assert_output --regexp '^own web-app-node:v[0-9.]+-[0-9a-f]{12}$'
  assert_called '^timeout 10 docker manifest inspect kindest/node:'
}

@test "our own node image is used if Docker has it, and no registry is asked" {
  docker_stub <<<'case "$*" in "image inspect web-app-node:"*) exit 0 ;; esac'
  decide 'choose_node_image; echo "$image_kind"'
  assert_output own
  refute_called 'manifest'
}

@test "on a host with cgroup v1 the node image is our own, and no registry is asked" {
  docker_stub <<<'case "$*" in "info --format {{.CgroupVersion}}") echo 1; exit ;; *"kindest/node:"*) exit 0 ;; esac'
  decide 'choose_node_image; echo "$image_kind"'
  assert_output own
  refute_called 'manifest'
  CLUSTER_NODE_IMAGE=usual decide 'choose_node_image; echo "$image_kind"'
  assert_output usual
}

@test "if the pull of the usual node image fails, our own is used" {
  docker_stub <<<'case "$*" in "manifest inspect "*) exit 0 ;; pull*) exit 1 ;; esac'
  decide 'choose_node_image; pull_usual_image; echo "$image_kind $image_name"'
  assert_success
  assert_line --partial 'the pull failed'
  assert_line --regexp '^own web-app-node:'
}

@test "with CLUSTER_NODE_IMAGE no registry is asked" {
  CLUSTER_NODE_IMAGE=usual decide 'choose_node_image; echo "$image_kind"'
  assert_output usual
  CLUSTER_NODE_IMAGE=own decide 'choose_node_image; echo "$image_kind"'
  assert_output own
  refute_called 'manifest'
  CLUSTER_NODE_IMAGE=mine decide 'choose_node_image'
  assert_one_line 'CLUSTER_NODE_IMAGE is own or usual, not mine'
}

@test "a host that withholds CAP_SYS_RESOURCE is detected by a trial, and reported in one line" {
  docker_stub <<<'case "$*" in "run --rm --privileged "*) echo "unable to apply caps: operation not permitted" >&2; exit 1 ;; esac'
  stub kind <<<'type -P docker'
  ln -s "$STUBS/kind" "$BATS_TEST_TMPDIR/build/tools/bin/kind"
  decide 'image_kind=own image_name=x; detect_restricted; cluster_config; run_kind'
  assert_success
  assert_line --index 0 --partial 'this host withholds CAP_SYS_RESOURCE'
  assert_line --partial 'restrict_oom_score_adj = true'
  assert_line --partial 'config_path = "/etc/containerd/certs.d"'
  assert_line "$ROOT/bats/cluster/shim/docker"
}

@test "on an ordinary host the restricted mode is off" {
  stub kind <<<'type -P docker'
  ln -s "$STUBS/kind" "$BATS_TEST_TMPDIR/build/tools/bin/kind"
  decide 'image_kind=own image_name=x; detect_restricted; cluster_config; run_kind'
  assert_success
  refute_output --partial CAP_SYS_RESOURCE
  refute_output --partial restrict_oom_score_adj
  assert_line --partial 'config_path = "/etc/containerd/certs.d"'
  assert_line "$STUBS/docker"
}

@test "another failure of a privileged container does not switch it on" {
  docker_stub <<<'case "$*" in "run --rm --privileged "*) echo "disk quota exceeded" >&2; exit 1 ;; esac'
  decide 'image_name=x; detect_restricted'
  assert_one_line 'docker run --privileged does not work here: disk quota exceeded'
}

@test "on a host that withholds CAP_SYS_RESOURCE the usual node image is not used" {
  docker_stub <<<'case "$*" in
    "image inspect kindest/node:"*) exit 0 ;;
    "run --rm --privileged "*) echo "unable to apply caps: operation not permitted" >&2; exit 1 ;; esac'
  decide 'choose_node_image; pull_usual_image; echo "$image_kind"'
  assert_line own
}

@test "the shim for docker changes only --privileged" {
  stub real <<<'printf "%s\n" "$@"'
  export CALLS WEB_APP_REAL_DOCKER=$STUBS/real
  run "$ROOT/bats/cluster/shim/docker" run --name 'a b' --privileged image
  assert_line --index 2 'a b'
  assert_line --regexp '^--cap-drop$'
  assert_line 'SYS_RESOURCE'
  assert_line 'a *:* rwm'
  refute_line --privileged
  run "$ROOT/bats/cluster/shim/docker" exec --privileged node true
  assert_output "$(printf '%s\n' exec node true)"
}

@test "kind and helm on PATH are used if their versions are in range" {
  stub kind <<<'echo "kind v0.33.0 go1.26 linux/amd64"'
  stub helm <<<'echo v3.18.2+g04cad46'
  decide 'go_tool() { echo "built $1"; }; cluster_tool kind; cluster_tool helm'
  assert_success
  assert_output ''
  assert_equal "$(readlink "$BATS_TEST_TMPDIR/build/tools/bin/kind")" "$STUBS/kind"
  assert_equal "$(readlink "$BATS_TEST_TMPDIR/build/tools/bin/helm")" "$STUBS/helm"
}

@test "kind and helm are built if PATH has none, one that is too old, or one without a version" {
  decide 'go_tool() { echo "built $1"; }; cluster_tool kind; cluster_tool helm'
  assert_output "$(printf '%s\n' 'built kind' 'built helm')"
  stub kind <<<'echo "kind v0.31.0 go1.25"'
  stub helm <<<'exit 1'
  decide 'go_tool() { echo "built $1"; }; cluster_tool kind; cluster_tool helm'
  assert_output "$(printf '%s\n' 'built kind' 'built helm')"
}

@test "a kubectl on PATH is used within one minor version of the cluster's" {
  for skew in -2:no -1:yes 0:yes 1:yes 2:no; do
    stub kubectl <<<"echo '{\"clientVersion\": {\"gitVersion\": \"v1.$((MINOR + ${skew%:*})).9-vendor\"}}'"
    decide 'TOOL_RANGE[kubectl]=$(kubectl_range "$KUBERNETES_VERSION"); suits kubectl "$(on_path kubectl)" && echo yes || echo no'
    assert_output "${skew#*:}"
  done
}

# quick_kubectl_of COMMAND: makes the tests' kubectl on nodes where COMMAND says whether theirs is a part of another program.
quick_kubectl_of() {
  docker_stub <<<"case \"\$*\" in 'exec web-app-control-plane test -L /usr/bin/kubectl') $1; exit ;; esac"
  decide 'cluster_nodes() { echo web-app-control-plane; }; go_build() { echo "built $2"; : >"$3"; chmod +x "$3"; }
    step() { shift; "$@"; }; need_go() { :; }; quick_kubectl'
  assert_success
}

@test "the tests have a kubectl of its own, built once, unless the nodes' or the user's is one" {
  stub go <<<'echo go version go9.99'
  quick_kubectl_of false
  assert_output ''
  quick_kubectl_of true
  assert_output 'built k8s.io/kubernetes/cmd/kubectl'
  quick_kubectl_of true
  assert_output ''
  ln -sf "$STUBS/kubectl" "$BATS_TEST_TMPDIR/build/tools/bin/kubectl"
  quick_kubectl_of true
  assert_output ''
}

@test "versions are compared as numbers, not as text" {
  decide 'in_range 3.9 3.14 4.99 && echo in || echo out; in_range 3.14 3.9 3.20 && echo in || echo out'
  assert_output "$(printf '%s\n' out in)"
}

@test "a tool that we built is not taken for the user's own" {
  printf '#!/bin/bash\necho kind v0.33.0\n' >"$BATS_TEST_TMPDIR/build/tools/bin/kind"
  chmod +x "$BATS_TEST_TMPDIR/build/tools/bin/kind"
  decide 'PATH=$BUILD/tools/bin:$PATH; go_tool() { echo "built $1"; }; cluster_tool kind'
  assert_output 'built kind'
  assert [ ! -L "$BATS_TEST_TMPDIR/build/tools/bin/kind" ]
}

@test "the plan has only the missing parts" {
  docker_stub <<<'case "$*" in "image inspect web-app-node"*) exit 0 ;; esac'
  decide 'start_base() { echo fetched; }; plan_image; printf "%s\n" "${PLAN[@]}"'
  assert_output ''
  docker_stub <<<'case "$*" in "image inspect web-app-node-base:"*) exit 0 ;; esac'
  decide 'start_base() { echo fetched; }; plan_image; printf "%s\n" "${PLAN[@]}"'
  refute_line fetched
  assert_line --partial 'compile Kubernetes'
  docker_stub <<<''
  decide 'start_base() { echo fetched; }; plan_image; printf "%s\n" "${PLAN[@]}"'
  assert_line fetched
}

@test "each stage prints the number of stages and the time left" {
  decide 'plan 90 first; plan 30 second; show_plan; stage true; stage true'
  assert_line 'to do, at most about 2 min on two cores:'
  assert_line 'step: [1/2, about 2 min left] first'
  assert_line 'step: [2/2, about 30 s left] second'
}

@test "the node image's name changes with its pins and its recipe, and with nothing else" {
  local copy=$BATS_TEST_TMPDIR/copy before
  mkdir -p "$copy/bats" "$copy/third_party"
  cp -r "$ROOT"/bats/{cluster,lib} "$copy/bats/"
  cp -r "$ROOT/third_party/go" "$copy/third_party/"
  ROOT=$copy decide node_image
  before=$output
  touch "$copy/bats/cluster/README.md" "$copy/third_party/go/kind/other"
  stub go <<<'echo go version go9.99'
  ROOT=$copy decide node_image
  assert_output "$before"
  echo '# changed' >>"$copy/bats/cluster/node/assemble"
  ROOT=$copy decide node_image
  refute_output "$before"
  before=$output
  echo '-X main.changed=yes' >>"$copy/third_party/go/kubernetes/ldflags"
  ROOT=$copy decide node_image
  refute_output "$before"
  sed -i 's/\(k8s.io\/kubernetes v1\.[0-9]*\.\)[0-9]*/\199/' "$copy/third_party/go/kubernetes/go.mod"
  ROOT=$copy decide node_image
  refute_output "$before"
  assert_output --regexp '^web-app-node:v1\.[0-9]+\.99-'
}

# kubernetes_modules: the directories of the Kubernetes that a cluster can have.
kubernetes_modules() { (cd "$ROOT/third_party/go" && ls -d kubernetes kubernetes-[0-9]*); }

@test "CLUSTER_KUBERNETES selects the Kubernetes of its directory, the node image and kubectl" {
  local module version images=()
  stub go <<<'echo go version go9.99'
  for module in $(kubernetes_modules); do
    version=$(sed -n 's/.*k8s.io\/kubernetes v//p' "$ROOT/third_party/go/$module/go.mod")
    [ "$module" = kubernetes ] || assert_equal "$module" "kubernetes-${version%.*}"
    docker_stub <<<'case "$*" in "image inspect web-app-node"*) exit 1 ;; *"kindest/node:"*) exit 0 ;; esac'
    CLUSTER_KUBERNETES=${version%.*} decide 'go_build() { echo "$1 $2"; }; step() { shift; "$@"; }; need_go() { :; }
      node_image; cluster_tool kubectl; make_others'
    assert_line --index 0 --regexp "^web-app-node:v$version-[0-9a-f]{12}\$"
    assert_line --index 1 "$module k8s.io/kubernetes/cmd/kubectl"
    assert_line --index 2 "$module ./coredns"
    images+=("${lines[0]}")
  done
  assert [ ${#images[@]} -gt 1 ]
  decide node_image
  assert_output "${images[0]}"
}

@test "an older Kubernetes has our own node image, and no registry is asked" {
  docker_stub <<<'case "$*" in *"kindest/node:"*) exit 0 ;; esac'
  local older
  older=$(kubernetes_modules | sed -n 's/kubernetes-//p' | head -n 1)
  CLUSTER_KUBERNETES=$older decide 'choose_node_image; echo "$image_kind"'
  assert_output own
  refute_called manifest
  CLUSTER_KUBERNETES=$older CLUSTER_NODE_IMAGE=usual decide choose_node_image
  assert_one_line "kind's usual node image has no Kubernetes $older; unset CLUSTER_NODE_IMAGE or CLUSTER_KUBERNETES"
}

@test "a Kubernetes without a directory gives one line that lists those there are" {
  local wanted
  for wanted in 1.2 1.34.4 oldest ../kubernetes .; do
    CLUSTER_KUBERNETES=$wanted decide 'cluster_main up'
    assert_one_line "CLUSTER_KUBERNETES is (1\.[0-9]+ or )+1\.[0-9]+, not $wanted"
  done
  assert_no_work
}

@test "a running cluster with another Kubernetes than CLUSTER_KUBERNETES gives one line" {
  local code='cluster_size=3; run_kubectl() { echo v1.30.2; }; nodes_as_asked'
  decide "$code"
  assert_success
  CLUSTER_KUBERNETES=$(kubernetes_modules | sed -n 's/kubernetes-//p' | head -n 1) decide "$code"
  assert_one_line 'cluster web-app is up with Kubernetes v1.30.2, not 1\.[0-9]+; ./build.sh cluster down first, or set CLUSTER_NAME'
}

# pins MODULE...: prints DEPENDENCY VERSION of each module, after its replacements.
pins() {
  local module
  for module in "$@"; do
    awk '{ sub(/^\t?(require )?/, "") }
      $2 == "=>" { version[$1] = $4 }
      $2 ~ /^v[0-9]/ { version[$1] = $2 }
      END { for (name in version) print name, version[name] }' "$ROOT/third_party/go/$module/go.mod"
  done
}

@test "the cluster, the chart's tools and those of a release have the same versions of what they share, so that it is compiled once" {
  # kube-score does not compile with newer versions of these.
  assert_equal "$(pins kubernetes kube-router helm helm3 kube-score kubeconform cosign distribution | sort -u | cut -d ' ' -f 1 | uniq -d | xargs)" \
    'k8s.io/api k8s.io/apimachinery'
  assert_equal "$(pins kubernetes kube-router helm helm3 kubeconform cosign distribution | sort -u | cut -d ' ' -f 1 | uniq -d)" ''
  assert [ "$(pins kubernetes helm | cut -d ' ' -f 1 | sort | uniq -d | wc -l)" -gt 50 ]
}

@test "a complete cluster is kept, and an incomplete one is removed and made again" {
  local cluster='cluster_owner() { echo "$CLUSTER_DIR"; }; cluster_tool() { :; }; remove_cluster() { echo removed; }
    was_checked() { :; }; mark_checked() { :; }; cluster_size=3; choose_node_image() { echo again; exit; }
    kubectl_for_cluster() { echo kubectl; }'
  decide "$cluster; cluster_complete() { :; }; cluster_main up"
  assert_success
  assert_line kubectl
  refute_line removed
  assert_line --partial 'cluster web-app is up'
  decide "$cluster; cluster_complete() { return 1; }; cluster_main up"
  assert_line removed
  assert_line again
}

@test "a complete cluster that was not checked since its nodes started is connected and checked" {
  docker_stub <<<'case "$*" in "ps --all --filter"*) echo node ;; "inspect --format {{.Config.Image}} node") echo web-app-node:1 ;; esac'
  decide 'connect_nodes() { echo connected; }; kubectl_for_cluster() { :; }
    cluster_owner() { echo "$CLUSTER_DIR"; }; cluster_tool() { :; }; mark_checked() { :; }; cluster_size=3
    cluster_complete() { :; }; was_checked() { return 1; }; check_cluster() { echo checked; }; cluster_main up'
  assert_line connected
  assert_line checked
}

@test "a running cluster with another number of nodes than CLUSTER_NODES gives one line" {
  CLUSTER_NODES=2 decide 'cluster_size=3; nodes_as_asked'
  assert_one_line 'cluster web-app is up with 3 nodes, not 2; ./build.sh cluster down first'
}

@test "the cluster has CLUSTER_NODES nodes, each with the mark of this checkout" {
  CLUSTER_NODES=2 decide 'image_kind=own CLUSTER_RESTRICTED=no; cluster_config'
  assert_equal "$(grep -c 'role: control-plane' <<<"$output")" 1
  assert_equal "$(grep -c 'role: worker' <<<"$output")" 1
  assert_equal "$(grep -cF "hostPath: \"$ROOT/bats/cluster\"" <<<"$output")" 2
  assert_line '  failCgroupV1: false'
  decide 'image_kind=usual CLUSTER_RESTRICTED=no; cluster_config'
  assert_equal "$(grep -c 'role:' <<<"$output")" 3
  refute_line --partial failCgroupV1
}

# assert_no_work: nothing was made or removed.
assert_no_work() { refute_called '^docker (run|rm|pull|create|network (create|rm)|volume)|^kind |^need node'; }

@test "a missing docker gives one line" {
  rm "$STUBS/docker"
  decide 'cluster_main up'
  assert_one_line 'there is no docker; install it'
}

@test "a docker daemon that does not respond gives one line" {
  stub docker <<<'echo "Cannot connect to the Docker daemon" >&2; exit 1'
  for verb in up down status logs image; do
    decide "cluster_main $verb"
    assert_one_line 'the docker daemon does not respond; start it'
  done
  assert_no_work
}

@test "a docker that refuses the user gives one line" {
  stub docker <<<'echo "permission denied while trying to connect" >&2; exit 1'
  decide 'cluster_main up'
  assert_one_line 'docker refuses this user; add it to the group'
}

@test "a missing or old Go gives one line if something must be compiled" {
  decide 'cluster_main up'
  assert_one_line 'there is no Go; install it'
  stub go <<<'case "$*" in "env GOVERSION") echo go1.19 ;; *) exit 1 ;; esac'
  decide 'cluster_main up'
  assert_one_line 'Go [0-9.]+ or newer is needed for kubernetes, this is go1.19'
  assert_no_work
}

@test "too little disk space gives one line, for Docker and for the compiler" {
  stub go <<<'echo /cache'
  decide 'free_mib() { echo 100; }; cluster_main up'
  assert_one_line 'a cluster of 3 nodes needs [0-9]+ MiB of disk below /, where 100 MiB are free'
  decide 'free_mib() { if [ "$1" = / ]; then echo 20480; else echo 100; fi; }; cluster_main up'
  assert_one_line 'compiling Kubernetes needs [0-9]+ MiB of disk'
  assert_no_work
}

@test "disk space on another machine is not checked" {
  decide 'free_mib() { :; }; need_space 100 /elsewhere "a cluster"'
  assert_success
}

@test "too little memory gives one line" {
  decide 'memory_mib() { echo 600; }; cluster_main up'
  assert_one_line 'a cluster of 3 nodes needs [0-9]+ MiB of memory, 600 MiB are free'
  assert_no_work
}

@test "too few inotify instances give one line, unless Docker is on another machine" {
  decide 'inotify_free() { echo 79; }; cluster_main up'
  assert_one_line 'a cluster of 3 nodes needs 80 inotify instances, 79 are free; raise the limit .sudo sysctl fs.inotify.max_user_instances='
  assert_no_work
  CLUSTER_NODES=1 decide 'inotify_free() { echo 40; }; preflight'
  assert_success
  decide 'inotify_free() { echo 79; }; docker_root() { :; }; preflight'
  assert_success
}

@test "inotify instances are counted against the limit" {
  local limit
  limit=$(cat /proc/sys/fs/inotify/max_user_instances)
  decide 'source "$ROOT/bats/cluster/preflight.sh"; inotify_free'
  assert [ "$output" -le "$limit" ]
  [ "$(id -u)" = 0 ] || return 0
  # Ten more, in a process of root; others of this machine come and go.
  coproc WATCHER { exec python3 -c 'import ctypes, sys
libc = ctypes.CDLL(None)
assert all(libc.inotify_init() >= 0 for _ in range(10))
print("ready", flush=True)
sys.stdin.read()'; }
  read -r _ <&"${WATCHER[0]}"
  decide 'source "$ROOT/bats/cluster/preflight.sh"; find /proc/'"$WATCHER_PID"'/fd -uid 0 -lname anon_inode:inotify | wc -l; inotify_free'
  kill "$WATCHER_PID"
  assert_line --index 0 10
  assert [ "${lines[1]}" -lt "$limit" ]
}

@test "containerd's image store gives one line with a Docker that cannot save one platform" {
  local store="'info --format {{.DriverStatus}}') echo '[[driver-type io.containerd.snapshotter.v1]]'"
  docker_stub <<<"case \"\$*\" in $store; exit ;; 'version --format {{.Client.Version}} {{.Server.Version}}') echo 29.1.3 27.5.1; exit ;; esac"
  decide 'cluster_main up'
  assert_one_line 'kind cannot load images from the containerd image store of Docker 27.5.1; update Docker to 28, or set \{"features": \{"containerd-snapshotter": false'
  assert_no_work
  docker_stub <<<"case \"\$*\" in $store; exit ;; 'version --format {{.Client.Version}} {{.Server.Version}}') echo 29.1.3 29.0.0; exit ;; esac"
  decide preflight
  assert_success
}

@test "from containerd's image store kind gets an archive of one platform, which is removed" {
  docker_stub <<'END'
case "$*" in
  'info --format {{.DriverStatus}}') echo '[[driver-type io.containerd.snapshotter.v1]]'; exit ;;
  'version --format {{.Server.Os}}/{{.Server.Arch}}') echo linux/arm64; exit ;;
esac
END
  mkdir -p "$BATS_TEST_TMPDIR/build/cluster"
  decide 'cluster_tool() { :; }; run_kind() { echo "kind $*"; }; cluster_load web-app:1 web-app:2'
  assert_success
  assert_output --regexp '^kind load image-archive --name web-app .*\.tar$'
  assert_called '^docker save --platform linux/arm64 --output .*\.tar web-app:1 web-app:2$'
  assert_equal "$(ls "$BATS_TEST_TMPDIR/build/cluster")" ''
  decide 'cluster_tool() { :; }; run_kind() { return 1; }; cluster_load web-app:1'
  assert_failure
  assert_equal "$(ls "$BATS_TEST_TMPDIR/build/cluster")" ''
}

@test "a port in use gives one line" {
  local port
  coproc LISTENER { exec python3 -c 'import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
sys.stdin.read()'; }
  read -r port <&"${LISTENER[0]}"
  CLUSTER_API_PORT=$port decide 'cluster_main up'
  kill "$LISTENER_PID"
  assert_one_line "port $port is in use; choose another CLUSTER_API_PORT"
  assert_no_work
}

@test "a cluster of that name that another program made gives one line, and stays" {
  docker_stub <<<'case "$*" in "ps --all --filter"*) echo web-app-control-plane ;; inspect*) echo ;; esac'
  for verb in up down status logs; do
    decide "cluster_main $verb"
    assert_one_line 'a kind cluster web-app exists that web-app did not make; choose a name for ours: CLUSTER_NAME='
  done
  assert_no_work
}

@test "a cluster of another checkout gives one line, and stays" {
  docker_stub <<<'case "$*" in "ps --all --filter"*) echo web-app-control-plane ;; inspect*) echo /other/web-app/bats/cluster ;; esac'
  decide 'cluster_main down'
  assert_one_line 'cluster web-app belongs to /other/web-app; take it down there'
  assert_no_work
}

@test "an invalid number of nodes or name gives one line" {
  CLUSTER_NODES=many decide 'cluster_main up'
  assert_one_line 'CLUSTER_NODES is a number from 1 to 9, not many'
  CLUSTER_NAME='a b' decide 'cluster_main up'
  assert_one_line 'CLUSTER_NAME is of a-z'
  assert_no_work
}

@test "an unknown verb is refused with a list of the verbs" {
  decide 'cluster_main sideways'
  assert_one_line 'usage: ./build.sh cluster up \| down'
}
