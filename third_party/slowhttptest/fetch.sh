# slowhttptest 1.9.0 below build/tools/slowhttptest, for the tests of slow clients. Sourced by whoever needs it, after
# third_party/debian.sh.
# shellcheck shell=bash

readonly SLOWHTTPTEST=$BUILD/tools/slowhttptest

# fetch_slowhttptest: Debian trixie's package, verified and unpacked; nothing is installed into the system. The
# libraries it needs are those that curl and gcc have brought (libssl.so.3, libstdc++), also on Debian bookworm.
fetch_slowhttptest() {
  local manifest=$ROOT/third_party/slowhttptest/manifest.sha256
  [ "$(cat "$SLOWHTTPTEST/.manifest" 2>/dev/null)" != "$(cat "$manifest")" ] || return 0
  step "fetch slowhttptest 1.9.0" unpack_slowhttptest "$manifest"
  cp "$manifest" "$SLOWHTTPTEST/.manifest"
}

unpack_slowhttptest() {
  local download=$BUILD/cache/slowhttptest
  rm -rf "$SLOWHTTPTEST" "$download" && mkdir -p "$SLOWHTTPTEST"
  debian_deb trixie "$download" slowhttptest
  verify "$1" "$download"
  dpkg-deb -x "$download"/slowhttptest_*.deb "$SLOWHTTPTEST"
}
