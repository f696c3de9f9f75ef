# The image for arm64, in Docker, by QEMU's emulation of that processor. The emulator is mounted into the container: an engine
# that emulates by itself would need a setting of the whole machine.

load ../lib/common

setup_file() {
  requires docker
  local archive=$BUILD/image/web-app-arm64.tar unpacked=$BATS_FILE_TMPDIR/archive
  [ -e "$archive" ] || skip_or_fail "there is no image for arm64; make it with ./build.sh image --arch amd64 --arch arm64"
  # Under a name of its own: web-app:VERSION is this machine's.
  export NAME
  NAME=web-app-test-$(printf '%04x%04x' $RANDOM $RANDOM)
  mkdir "$unpacked"
  tar -C "$unpacked" -xf "$archive"
  sed -i "s|web-app:$(version)|$NAME:latest|" "$unpacked/manifest.json" "$unpacked/index.json"
  tar -C "$unpacked" -c . | docker_load
  docker volume create "$NAME" >/dev/null
  # In a directory that the engine sees, since this may run in a container itself.
  cp /usr/bin/qemu-aarch64-static "$BATS_FILE_TMPDIR/emulator"
  chmod 0755 "$BATS_FILE_TMPDIR" "$BATS_FILE_TMPDIR/emulator"
}

docker_load() { timeout 60 "$(type -P docker)" load 3>&- >/dev/null; }

teardown() {
  [ -n "${BATS_TEST_COMPLETED:-}" ] || docker logs "$NAME" 2>&1 | tail -n 20 || true
  docker rm --force "$NAME" >/dev/null 2>&1 || true
}

teardown_file() {
  [ -n "$NAME" ] || return 0
  docker volume rm --force "$NAME" >/dev/null
  docker rmi --force "$NAME" >/dev/null
}

# start ARGUMENT...: serves in a container with the volume of this file; sets $port and $admin_port.
start() {
  docker run --detach --platform linux/arm64 --name "$NAME" -p 127.0.0.1:0:8080 -p 127.0.0.1:0:8081 --read-only --cap-drop ALL \
    -v "$NAME:/data" -v "$BATS_FILE_TMPDIR/emulator:/emulator:ro" --entrypoint /emulator "$NAME" \
    /usr/local/bin/web-app serve "$@" >/dev/null
  port=$(docker port "$NAME" 8080) port=${port##*:}
  admin_port=$(docker port "$NAME" 8081) admin_port=${admin_port##*:}
  try --max 100 --delay 0.1 -- admin /readyz || fail "not ready: $(docker logs "$NAME" 2>&1)"
}

@test "its configuration says arm64, and is otherwise that of this machine's image" {
  run docker image inspect -f '{{.Os}} {{.Architecture}}' "$NAME"
  assert_output "linux arm64"
  assert_equal "$(docker image inspect -f '{{json .Config}}' "$NAME" | jq -S .)" \
    "$(docker image inspect -f '{{json .Config}}' "web-app:$(version)" | jq -S .)"
}

@test "it serves as its own user, in a time zone of its own, and syncs each visit" {
  start --timezone America/New_York
  run visit 3
  assert_success
  assert_equal "$(jq -s -c 'map(.visit)' <<<"$output")" '[1,2,3]'
  assert_regex "$(jq -r .time <<<"${lines[0]}")" '-0[45]:00$'
  [ "$(metric web_app_sync_duration_seconds_count)" -ge 3 ]
  run docker top "$NAME" -eo pid,uid
  assert_line --regexp '65532'
}

@test "its visits survive kill -9, and SIGTERM lets a visitor who is connected finish" {
  start
  visit 2 >/dev/null
  docker kill "$NAME" >/dev/null
  docker rm "$NAME" >/dev/null
  start
  run visit
  assert_equal "$(jq .visit <<<"$output")" 6
  exec {half}<>"/dev/tcp/127.0.0.1/$port"
  printf 'GET / HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n' >&"$half"
  docker kill --signal TERM "$NAME" >/dev/null
  draining() { docker logs "$NAME" 2>&1 | grep -q 'SIGTERM: draining'; }
  try --max 100 --delay 0.1 -- draining
  printf '\r\n' >&"$half"
  run timeout 10 cat <&"$half"
  assert_output --partial '"visit": 7'
  assert_equal "$(timeout 30 "$(type -P docker)" wait "$NAME")" 0
  run docker logs "$NAME"
  assert_line --partial "stopped with 7 visits recorded"
}

@test "as downloaded it is at most 240 KB" {
  local size
  size=$(stat -c %s "$BUILD/image/web-app-arm64.tar")
  [ "$size" -le 245760 ] || fail "$size bytes"
}
