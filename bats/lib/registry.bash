# A registry for the tests, and releases to push to it. The registry has TLS, so that each command is the one of README.
# shellcheck shell=bash

load ../lib/common

cosign() { limited cosign "$@" </dev/null 3>&-; }
skopeo() { limited skopeo "$@" </dev/null 3>&-; }

# registry_files DIRECTORY ADDRESS: writes what a registry needs that listens there, on any free port.
registry_files() {
  mkdir -p "$1/certificates"
  limited openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$2" \
    -addext "subjectAltName=IP:$2" -keyout "$1/key.pem" -out "$1/certificates/registry.pem" 2>/dev/null
  cat >"$1/config.yaml" <<CONFIG
version: 0.1
storage: {inmemory: {}}
http:
  addr: $2:0
  tls: {certificate: $1/certificates/registry.pem, key: $1/key.pem}
CONFIG
}

# registry_port LOG: prints the port, once the registry listens.
registry_port() { grep -oE 'listening on [0-9.]+:[0-9]+' "$1" | grep -oE '[0-9]+$'; }

# start_registry: starts one on the loopback. Sets $REGISTRY to its
# address, and $REGISTRY_LOG. A file that starts one stops it.
start_registry() {
  local directory=$BATS_FILE_TMPDIR/registry
  registry_files "$directory" 127.0.0.1
  REGISTRY_LOG=$directory/log
  : >"$REGISTRY_LOG"
  # Not a function, whose end would leave the registry.
  OTEL_TRACES_EXPORTER=none timeout 3600 distribution serve "$directory/config.yaml" >"$REGISTRY_LOG" 2>&1 </dev/null 3>&- &
  REGISTRY_ID=$!
  try --max 200 --delay 0.05 -- registry_port "$REGISTRY_LOG" >/dev/null || fail "no registry: $(cat "$REGISTRY_LOG")"
  REGISTRY=127.0.0.1:$(registry_port "$REGISTRY_LOG")
  # Go's programs trust what is in this directory besides what they trust otherwise.
  SSL_CERT_DIR=$directory/certificates
  export REGISTRY REGISTRY_LOG REGISTRY_ID SSL_CERT_DIR
}

stop_registry() { [ -z "$REGISTRY_ID" ] || kill "$REGISTRY_ID"; }

# requires_release: skips the tests where no release can be made.
requires_release() {
  run bash -c 'source "$0/build.sh"; source "$0/image/release.sh"; check_machine' "$ROOT"
  [ "$status" = 0 ] || skip_or_fail "$output"
}

# make_key NAME: makes the key pair NAME.key and NAME.pub in the file's directory.
make_key() { cosign generate-key-pair --output-key-prefix "$BATS_FILE_TMPDIR/$1" >/dev/null 2>&1; }

# make_checkout DIRECTORY: makes a checkout with the files of this one, as they are now, in one commit with the version's
# tag. What was fetched or compiled here it need not fetch or compile again.
make_checkout() {
  local one
  mkdir -p "$1/build/arm64"
  (cd "$ROOT" && git -c safe.directory="$ROOT" ls-files -z --cached --others --exclude-standard |
    xargs -0 sh -c 'for file; do [ ! -e "$file" ] || printf "%s\0" "$file"; done' _ | tar --null -T - -c) | tar -x -C "$1"
  git -C "$1" init -q
  commit_all "$1"
  git -C "$1" tag "v$(version)"
  for one in "$BUILD"/{tools,cache,civetweb,musl*,tzdata*}; do [ ! -e "$one" ] || ln -s "$one" "$1/build/"; done
  for one in web-app web-app.key arm64/web-app arm64/web-app.key; do [ ! -e "$BUILD/$one" ] || cp "$BUILD/$one" "$1/build/$one"; done
}

commit_all() {
  git -C "$1" add --all
  GIT_COMMITTER_DATE='2026-01-01T00:00:00Z' git -C "$1" -c user.name=test -c user.email=test@example.org -c commit.gpgSign=false \
    commit -q --date '2026-01-01T00:00:00Z' --message test
}

# release CHECKOUT ARGUMENT...: makes a release there.
release() { LIMIT_SECONDS=600 limited "$1/build.sh" release "${@:2}" </dev/null 3>&-; }

# manifest REFERENCE: prints the manifest that the registry has.
manifest() { skopeo inspect --raw "docker://$1"; }

digest_of() { manifest "$1" | sha256sum | sed 's/^/sha256:/; s/ .*//'; }

# readme_commands WHAT: prints the commands of README after the line `<!-- WHAT -->`.
readme_commands() {
  awk -v mark="<!-- $1 -->" '$0 == mark { found = 1; next } found && /^```/ { if (inside++) exit; next } inside' "$ROOT/README.md" | grep . ||
    fail "README has no commands $1"
}
