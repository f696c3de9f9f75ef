# The image: its content, and the docker commands of README.md.

load ../lib/common

setup_file() {
  requires docker
  VERSION=$(version)
  # IMAGE may name another image, to see these tests fail.
  export VERSION IMAGE=${IMAGE:-web-app:$VERSION}
  docker image inspect "$IMAGE" >/dev/null || fail "there is no image $IMAGE; make it with ./build.sh image"
}

# Names that no other run uses, so that cleanup removes only objects of this test.
setup() {
  name=web-app-test-$(printf '%04x%04x' $RANDOM $RANDOM)
  containers=() volumes=()
}

teardown() {
  [ -n "${BATS_TEST_COMPLETED:-}" ] || [ ${#containers[@]} = 0 ] || docker logs "$name" 2>&1 | tail -n 20 || true
  [ ${#containers[@]} = 0 ] || docker rm --force --volumes "${containers[@]}" >/dev/null
  [ ${#volumes[@]} = 0 ] || docker volume rm --force "${volumes[@]}" >/dev/null
}

# start_container OPTION... [-- ARGUMENT...]: starts it in the background, with its ports on free ports of the loopback;
# sets $port and $admin_port, and waits until it is ready.
start_container() {
  local options=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    options+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  containers+=("$name")
  docker run --detach --name "$name" -p 127.0.0.1:0:8080 -p 127.0.0.1:0:8081 "${options[@]}" "$IMAGE" "$@" >/dev/null || return
  port=$(docker port "$name" 8080) port=${port##*:}
  admin_port=$(docker port "$name" 8081) admin_port=${admin_port##*:}
  try --max 100 --delay 0.1 -- admin /readyz || fail "not ready: $(docker logs "$name" 2>&1)"
}

# stop_container: stops it with SIGTERM, removes it, and returns its exit code.
stop_container() {
  docker stop --time 30 "$name" >/dev/null
  local code
  code=$(docker inspect -f '{{.State.ExitCode}}' "$name")
  docker rm "$name" >/dev/null
  return "$code"
}

exec_visits() { docker exec "$name" web-app visits "$@"; }

# config TEMPLATE: prints the template, filled from the image's configuration.
config() { docker image inspect -f "$1" "$IMAGE"; }

# unpack_image: unpacks its layers, one over the other, into $BATS_TEST_TMPDIR/root, and lists type, owner and name of
# each file, as tar prints them, in the file `files`.
unpack_image() {
  local layer
  mkdir "$BATS_TEST_TMPDIR/saved" "$BATS_TEST_TMPDIR/root"
  docker save "$IMAGE" | tar -C "$BATS_TEST_TMPDIR/saved" -x
  while read -r layer; do
    tar -tvf "$BATS_TEST_TMPDIR/saved/$layer" --numeric-owner
    tar -C "$BATS_TEST_TMPDIR/root" -xf "$BATS_TEST_TMPDIR/saved/$layer"
  done < <(jq -r '.[0].Layers[]' "$BATS_TEST_TMPDIR/saved/manifest.json") >"$BATS_TEST_TMPDIR/files"
}

@test "the image holds the program, the time zones and an empty data directory, and nothing else" {
  unpack_image
  run awk '!/usr\/share\/zoneinfo\/./ { print $1, $2, $6 }' "$BATS_TEST_TMPDIR/files"
  assert_output "drwxr-xr-x 0/0 usr/
drwxr-xr-x 0/0 usr/local/
drwxr-xr-x 0/0 usr/local/bin/
-rwxr-xr-x 0/0 usr/local/bin/web-app
drwxr-xr-x 0/0 usr/share/
drwxr-xr-x 0/0 usr/share/sbom/
-rw-r--r-- 0/0 usr/share/sbom/web-app.spdx.json
drwxr-xr-x 0/0 usr/share/zoneinfo/
drwxrwxr-x 65532/0 data/"
  cmp "$BATS_TEST_TMPDIR/root/usr/local/bin/web-app" "$BUILD/web-app" ||
    fail "the image is of another build; make it again with ./build.sh image"
}

@test "its time zones are compiled IANA zones that every user may read" {
  unpack_image
  local zones=$BATS_TEST_TMPDIR/root/usr/share/zoneinfo zone wrong
  for zone in Europe/Moscow UTC America/New_York Asia/Kathmandu; do assert [ -s "$zones/$zone" ]; done
  [ "$(find "$zones" -type f | wc -l)" -ge 300 ] || fail "too few zones"
  assert_equal "$(find "$zones" -xtype l)" "" # a link to nothing
  wrong=$(find "$zones" -type f -exec sh -c 'for f; do [ "$(head -c 4 "$f")" = TZif ] || echo "$f"; done' _ {} +)
  assert_equal "$wrong" ""
  assert_equal "$(find "$zones" ! -perm -444)" ""
}

@test "it is at most 420 KB" {
  local size
  size=$(config '{{.Size}}')
  [ "$size" -le 430080 ] || fail "$size bytes"
}

@test "its configuration has the right user, command, directory, ports and health check" {
  assert_equal "$(config '{{.Config.User}}')" 65532:65532
  assert_equal "$(config '{{json .Config.Entrypoint}} {{json .Config.Cmd}}')" '["web-app"] null'
  assert_equal "$(config '{{.Config.WorkingDir}}')" /
  assert_equal "$(config '{{json .Config.ExposedPorts}}')" '{"8080/tcp":{},"8081/tcp":{}}'
  assert_equal "$(config '{{json .Config.Healthcheck.Test}}')" '["CMD","web-app","check"]'
  assert_equal "$(config '{{.Config.StopSignal}}')" SIGTERM
  assert_equal "$(config '{{json .Config.Volumes}}')" null
  assert_equal "$(config '{{json .Config.Env}}')" '["PATH=/usr/local/bin"]'
  assert_equal "$(config '{{index .Config.Labels "org.opencontainers.image.title"}}')" web-app
  assert_equal "$(config '{{index .Config.Labels "org.opencontainers.image.version"}}')" "$VERSION"
  assert_equal "$(config '{{index .Config.Labels "org.opencontainers.image.licenses"}}')" MIT
  assert_regex "$(config '{{index .Config.Labels "org.opencontainers.image.revision"}}')" '^([0-9a-f]{40}(-dirty)?|unknown)$'
}

@test "with a bind mount visits outlive containers, and the directory's owner owns the file" {
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
  start_container -v "$data:/data" --user "$(id -u):$(id -g)"
  visit 3 >/dev/null
  run exec_visits
  assert_output "$(cat -b "$data/visits.txt")"
  stop_container
  assert_visits 3
  assert_equal "$(stat -c %u:%g "$data/visits.txt")" "$(id -u):$(id -g)"
  start_container -v "$data:/data" --user "$(id -u):$(id -g)"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 4
  assert_equal "$(jq -r .pod <<<"$output")" "$(docker inspect -f '{{.Config.Hostname}}' "$name")"
  assert_equal "$(exec_visits --tail 1)" "     4	$(tail -n 1 "$data/visits.txt")"
  stop_container
  assert_visits 4
}

@test "a bind mount of another user works with that user's ids" {
  requires root
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
  chown 12345:54321 "$data"
  start_container -v "$data:/data" --user 12345:54321
  visit >/dev/null
  stop_container
  assert_equal "$(stat -c %u:%g "$data/visits.txt")" 12345:54321
}

@test "without write permission, one line names the remedy, and the exit code is 1" {
  requires root
  mkdir "$BATS_TEST_TMPDIR/data"
  containers+=("$name")
  run --separate-stderr docker run --name "$name" -v "$BATS_TEST_TMPDIR/data:/data" "$IMAGE"
  assert_complaint 1 'cannot write to data as user 65532, group 65532: change its owner, or run as its owner .docker run --user "\$\(id -u\):\$\(id -g\)"; if rootless, Docker: --user 0:0, Podman: --userns=keep-id.; with SELinux mount it with :Z$'
}

@test "a named volume is writable without preparation, even with a read-only root and no capability" {
  docker volume create "$name" >/dev/null
  volumes+=("$name")
  local hardened=(--read-only --cap-drop ALL --security-opt no-new-privileges -v "$name:/data")
  start_container "${hardened[@]}"
  visit 2 >/dev/null
  stop_container
  start_container "${hardened[@]}"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  stop_container
}

# sandbox: prints what the start-up line on standard input says of it.
sandbox() { sed -n 's/.* sandbox=\([a-z]*\) .*/\1/p'; }

@test "Docker's default profile allows the whole sandbox, and --sandbox=on demands it" {
  start_web_app
  local outside
  outside=$(sandbox <"$log")
  stop_web_app
  [ "$outside" = on ] || skip_or_fail "this machine has no seccomp or no Landlock"
  start_container -e WEB_APP_SANDBOX=on
  assert_equal "$(docker logs "$name" 2>&1 | sandbox)" on
  visit 2 >/dev/null
  assert_equal "$(metric web_app_visits_total)" 2
  docker exec "$name" web-app check
  stop_container
}

@test "control: where a profile refuses Landlock, it is partial, and --sandbox=on refuses to start" {
  local profile=$BATS_TEST_TMPDIR/profile.json
  jq -n '{defaultAction: "SCMP_ACT_ALLOW", syscalls: [{names: ["landlock_create_ruleset"], action: "SCMP_ACT_ERRNO"}]}' >"$profile"
  start_container --security-opt "seccomp=$profile"
  assert_equal "$(docker logs "$name" 2>&1 | sandbox)" partial
  stop_container
  containers+=("$name")
  run --separate-stderr docker run --name "$name" --security-opt "seccomp=$profile" "$IMAGE" --sandbox=on
  assert_complaint 1 'no Landlock here: Operation not permitted; --sandbox=auto would serve without it$'
}

@test "as any user of group 0, as on OpenShift, it serves with a volume and without" {
  local hardened=(--user 1000680000:0 --cap-drop ALL --security-opt no-new-privileges) volume
  docker volume create "$name" >/dev/null
  volumes+=("$name")
  for volume in "" "$name"; do
    start_container "${hardened[@]}" ${volume:+--read-only -v "$volume:/data"}
    visit 2 >/dev/null
    assert_equal "$(exec_visits | wc -l)" 2
    stop_container
  done
  # The next user of the namespace's range continues the file.
  start_container "${hardened[@]}" -v "$name:/data"
  run visit
  assert_equal "$(jq .visit <<<"$output")" 3
  stop_container
}

@test "control: a user of no group that owns the directory cannot write to it" {
  containers+=("$name")
  run docker run --name "$name" --user 1000680000:1000680000 "$IMAGE"
  assert_failure 1
  assert_output --partial "cannot write to data as user 1000680000"
}

@test "it serves without a volume too, and a time zone can be given" {
  start_container -- --timezone America/New_York
  run visit
  assert_regex "$(jq -r .time <<<"$output")" '-0[45]:00$'
  # As process 1 it obeys SIGINT too.
  docker kill --signal INT "$name" >/dev/null
  assert_equal "$(docker wait "$name")" 0
  run docker logs "$name"
  assert_line --regexp '^web-app: stopped with 1 visits recorded$'
}

@test "SIGTERM ends it within the drain time although a visitor is still connected" {
  start_container -e WEB_APP_DRAIN=1s
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\n' >&"$half"
  stop_container
  exec {half}>&-
}

@test "docker reports it as healthy, and as unhealthy while it is not ready" {
  start_container --health-interval 1s
  health_is() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$name")" = "$1" ]; }
  try --max 100 --delay 0.2 -- health_is healthy
  run docker exec "$name" web-app check
  assert_success
  assert_output "200 ready"
  run docker exec "$name" web-app check http://127.0.0.1:8080/nowhere
  assert_equal "$status" 1
  start_second() {
    name=$name-2
    containers+=("$name")
    docker run --detach --name "$name" --health-interval 1s --health-retries 1 --volumes-from "${name%-2}" "$IMAGE" >/dev/null
  }
  stop_container
  containers=()
  docker volume create "$name" >/dev/null
  volumes+=("$name")
  start_container -v "$name:/data"
  start_second
  try --max 100 --delay 0.2 -- health_is unhealthy
}

@test "with another admin port in WEB_APP_ADMIN_LISTEN it is healthy; with a flag alone the health check says what to set" {
  health_is() { [ "$(docker inspect -f '{{.State.Health.Status}}' "$name")" = "$1" ]; }
  containers+=("$name")
  docker run --detach --name "$name" --health-interval 1s -e WEB_APP_ADMIN_LISTEN=9000 "$IMAGE" >/dev/null
  try --max 100 --delay 0.2 -- health_is healthy
  stop_container
  docker run --detach --name "$name" --health-interval 1s --health-retries 1 "$IMAGE" serve --admin-listen 9000 >/dev/null
  try --max 100 --delay 0.2 -- health_is unhealthy
  run docker inspect -f '{{range .State.Health.Log}}{{.Output}}{{end}}' "$name"
  assert_output --partial "if it has another --admin-listen, set WEB_APP_ADMIN_LISTEN for both"
}

@test "help, version and a wrong option work in it as outside of it" {
  assert_equal "$(docker run --rm "$IMAGE" version)" "web-app $VERSION"
  assert_equal "$(docker run --rm "$IMAGE" help)" "$("$BUILD/web-app" help)"
  run docker run --rm "$IMAGE" --sync=often
  assert_equal "$status" 2
  assert_output "web-app: --sync=often is not allowed; give always, interval or none"
}
