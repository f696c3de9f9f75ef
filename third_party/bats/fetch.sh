# bats-core 1.11.1 and its libraries below build/tools/bats, the same on any Debian release. Sourced by build.sh.
# shellcheck shell=bash

readonly BATS=$BUILD/tools/bats

# fetch_bats: Debian trixie's packages, verified and unpacked; nothing is installed into the system.
fetch_bats() {
  local manifest=$ROOT/third_party/bats/manifest.sha256
  [ "$(cat "$BATS/.manifest" 2>/dev/null)" != "$(cat "$manifest")" ] || return 0
  step "fetch bats 1.11.1" unpack_bats "$manifest"
  cp "$manifest" "$BATS/.manifest"
}

unpack_bats() {
  local download=$BUILD/cache/bats deb
  rm -rf "$BATS" "$download" && mkdir -p "$BATS"
  debian_deb trixie "$download" bats bats-support bats-assert bats-file
  verify "$1" "$download"
  for deb in "$download"/*.deb; do dpkg-deb -x "$deb" "$BATS"; done
}
