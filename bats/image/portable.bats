# The image made by a container engine alone, as README says, and the same image whoever makes it: the files and the digests
# of ./build.sh image.
#
# Where no registry can be reached, an image made by mmdebstrap stands in for the base that would be downloaded, and for
# nothing else.

load ../lib/common

setup_file() {
  requires docker root
  export BASE IMAGE TREE=$BATS_FILE_TMPDIR/web-app
  BASE=$(sed -n 's/^FROM \(.*\) AS build$/\1/p' "$ROOT/image/Dockerfile")
  IMAGE=web-app-portable-$(printf '%04x%04x' $RANDOM $RANDOM)
  # Removed at the end, except for a base that was there, or could be pulled.
  if docker image inspect "$BASE" >/dev/null 2>&1; then :; elif ! docker pull --quiet "$BASE" >/dev/null 2>&1; then
    stand_in_for_base
    touch "$BATS_FILE_TMPDIR/stand-in"
  fi
  copy_project
  docker_build --target build -t "$IMAGE-build"
}

teardown_file() {
  # The classic builder leaves the container of a step that failed.
  sed -n 's/.*Running in \([0-9a-f]*\)$/\1/p' "$BATS_FILE_TMPDIR/build.log" 2>/dev/null | while read -r step; do
    docker rm --force "$step" >/dev/null 2>&1 || true
  done
  docker rmi --force "$IMAGE" "$IMAGE-build" >/dev/null 2>&1 || true
  [ ! -e "$BATS_FILE_TMPDIR/stand-in" ] || docker rmi "$BASE" >/dev/null
}

# stand_in_for_base: what Debian's own image holds, without documentation as there.
stand_in_for_base() {
  local archive=$BUILD/cache/base.tar mirror
  mirror=$(in_build debian_mirror)
  if [ ! -e "$archive" ]; then
    timeout 600 mmdebstrap --quiet --variant=minbase --dpkgopt='path-exclude=/usr/share/doc/*' \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      bookworm "$archive.new.tar" "$mirror" 2>"$BATS_FILE_TMPDIR/mmdebstrap" 3>&- ||
      fail "mmdebstrap: $(tail -n 5 "$BATS_FILE_TMPDIR/mmdebstrap")"
    mv "$archive.new.tar" "$archive"
  fi
  docker import "$archive" "$BASE" >/dev/null
}

# copy_project: makes $TREE another checkout of the same state: the commit, and what is not committed yet.
copy_project() {
  # git refuses to clone another user's project unless it is told that this one is safe.
  git config --file "$BATS_FILE_TMPDIR/gitconfig" safe.directory '*'
  GIT_CONFIG_GLOBAL=$BATS_FILE_TMPDIR/gitconfig git clone --quiet --no-checkout "$ROOT" "$TREE"
  (cd "$ROOT" && git -c safe.directory="$ROOT" ls-files -z --cached --others --exclude-standard) |
    (cd "$ROOT" && xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' _) |
    tar -C "$ROOT" --null --files-from - -c | tar -C "$TREE" -x
  git -C "$TREE" reset --quiet # the index of the commit, with these files
}

# in_build FUNCTION ARG...: runs a function of build.sh or image/build.sh.
in_build() { bash -euo pipefail -c 'source "$1/build.sh"; source "$1/image/build.sh"; shift; "$@"' in_build "$ROOT" "$@"; }

# own_archive: prints the path of the archive of ./build.sh image for this machine.
own_archive() { in_build eval 'archive_of "$MACHINE"'; }

# docker_build OPTION...: the command of README, with another tag, in the other checkout.
docker_build() {
  local command
  command=$(sed -n 's/^docker build -t web-app:[0-9.]* //p' "$ROOT/README.md" | sort -u)
  [ "$command" = "-f image/Dockerfile ." ] || fail "README's command is not the one that is tested: $command"
  # shellcheck disable=SC2086 # the words of the command
  (cd "$TREE" && timeout 800 "$(type -P docker)" build "$@" $command >"$BATS_FILE_TMPDIR/build.log" 2>&1 3>&-) ||
    fail "docker build fails: $(tail -n 20 "$BATS_FILE_TMPDIR/build.log")"
}

@test "README's docker build makes an image with the same files, owners and modes as ./build.sh image" {
  docker_build -t "$IMAGE"
  list() {
    local layer
    mkdir "$BATS_TEST_TMPDIR/$2" "$BATS_TEST_TMPDIR/$2/root"
    tar -C "$BATS_TEST_TMPDIR/$2" -xf "$1"
    while read -r layer; do tar -C "$BATS_TEST_TMPDIR/$2/root" -xpf "$BATS_TEST_TMPDIR/$2/$layer"; done \
      < <(jq -r '.[0].Layers[]' "$BATS_TEST_TMPDIR/$2/manifest.json")
    (cd "$BATS_TEST_TMPDIR/$2/root" && find . -mindepth 1 -printf '%P %y %m %U:%G %l\n' | sort && find . -type f -exec sha256sum {} + | sort)
  }
  docker save "$IMAGE" >"$BATS_TEST_TMPDIR/portable.tar"
  list "$BATS_TEST_TMPDIR/portable.tar" portable >"$BATS_TEST_TMPDIR/there"
  list "$(own_archive)" own >"$BATS_TEST_TMPDIR/here"
  diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
  [ "$(wc -l <"$BATS_TEST_TMPDIR/here")" -gt 600 ] || fail "too few files were compared"
}

@test "its configuration is that of ./build.sh image" {
  docker image inspect "$IMAGE" >/dev/null 2>&1 || docker_build -t "$IMAGE"
  config() {
    jq -S '.Config | {User, ExposedPorts, Env, Entrypoint, Cmd, WorkingDir, StopSignal, Healthcheck,
      Labels: (.Labels | del(."org.opencontainers.image.revision", ."org.opencontainers.image.created"))}'
  }
  docker image inspect "$IMAGE" | jq '.[0]' | config >"$BATS_TEST_TMPDIR/there"
  docker image inspect "web-app:$(version)" | jq '.[0]' | config >"$BATS_TEST_TMPDIR/here"
  diff "$BATS_TEST_TMPDIR/here" "$BATS_TEST_TMPDIR/there"
}

@test "the first stage prints the very image of ./build.sh image, to load into any engine" {
  docker run --rm "$IMAGE-build" >"$BATS_TEST_TMPDIR/printed.tar"
  cmp "$BATS_TEST_TMPDIR/printed.tar" "$(own_archive)"
}

# layout [NAME=VALUE...]: makes the layout of the other checkout, with the same downloads, and prints its digests.
layout() {
  local architectures
  if [ ! -d "$TREE/build" ]; then
    mkdir -p "$TREE/build/tools"
    cp -r "$BUILD"/{civetweb,tzdata} "$TREE/build/"
    ! compgen -G "$BUILD/tools/musl-*" >/dev/null || cp -r "$BUILD"/tools/musl-* "$TREE/build/tools/"
  fi
  architectures=$(basename -a "$BUILD"/image/root-* | sed 's/^root-/--arch /')
  # shellcheck disable=SC2086 # options
  (umask 077 && timeout 300 env TZ=Asia/Kathmandu GZIP=-1 TAR_OPTIONS=--format=posix "$@" "$TREE/build.sh" layout $architectures) >"$BATS_TEST_TMPDIR/layout.log" 2>&1 3>&- ||
    fail "$(cat "$BATS_TEST_TMPDIR/layout.log")" || return
  digests "$TREE"
}

# digests DIRECTORY: prints the digest of the index of that checkout's layout, and those in it.
digests() {
  local index
  index=$(jq -r '.manifests[0].digest' "$1/build/image/oci/index.json")
  jq -r --arg index "$index" '$index, (.manifests[] | "\(.platform.architecture) \(.digest)")' "$1/build/image/oci/blobs/${index/://}"
}

# label NAME: prints the label of the index of the other checkout's layout.
label() {
  local index
  index=$(digests "$TREE" | head -n 1)
  jq -r --arg name "org.opencontainers.image.$1" '.annotations[$name]' "$TREE/build/image/oci/blobs/${index/://}"
}

@test "the same state gives the same digests in another directory, at another time, with another umask, time zone and options" {
  local other
  other=$(layout)
  assert_equal "$other" "$(digests "$ROOT")"
  [ "$(wc -l <<<"$other")" -ge 2 ] || fail "no platform: $other"
}

@test "control: another time, another address or another configuration gives other digests of each image" {
  differs() {
    local other
    other=$(layout "$@")
    run comm -12 <(sort <<<"$other") <(digests "$ROOT" | sort)
    assert_output ""
  }
  differs SOURCE_DATE_EPOCH=1
  assert_equal "$(label created)" 1970-01-01T00:00:01Z
  assert_equal "$(label source)" null
  differs IMAGE_SOURCE=https://example.org/web-app
  assert_equal "$(label source) $(label url) $(label documentation)" \
    "https://example.org/web-app https://example.org/web-app https://example.org/web-app#readme"
  sed -i 's/SIGTERM/SIGINT/' "$TREE/image/config.json"
  differs
  assert_regex "$(label revision)" '^[0-9a-f]{40}-dirty$'
}

@test "a wrong time or address gives one line" {
  refused() {
    run env "$1" "$TREE/build.sh" layout
    assert_failure 1
    assert_output "build.sh: $1 $2, or unset it"
  }
  refused SOURCE_DATE_EPOCH=yesterday "is not a number of seconds; give the time of the commit"
  refused IMAGE_SOURCE=github.com/me/web-app "is not an address; give one that begins with https://"
}

@test "a tree without git gives an image of no time and no known revision" {
  rm -rf "$TREE/.git"
  layout
  assert_equal "$(label created) $(label revision)" "1970-01-01T00:00:00Z unknown"
}
