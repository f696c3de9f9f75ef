# civetweb v1.16's source, verified file by file, below build/civetweb. Sourced by build.sh.
# shellcheck shell=bash

readonly CIVETWEB_TARBALL=https://github.com/civetweb/civetweb/archive/refs/tags/v1.16.tar.gz
readonly CIVETWEB=$BUILD/civetweb

# fetch_civetweb: from the upstream release, or where that cannot be reached from Debian's source
# package of the same release. What is compiled is the same, byte for byte, or the build stops.
fetch_civetweb() {
  local manifest=$ROOT/third_party/civetweb/manifest.sha256
  cmp -s "$manifest" "$CIVETWEB/.verified" && return
  step "fetch civetweb 1.16" unpack_civetweb
  verify "$manifest" "$CIVETWEB"
  cp "$manifest" "$CIVETWEB/.verified"
}

unpack_civetweb() {
  local download=$BUILD/cache/civetweb
  rm -rf "$CIVETWEB" && mkdir -p "$CIVETWEB" "$download"
  if ! compgen -G "$download/civetweb*1.16*.tar.*" >/dev/null; then
    curl -fsSL --connect-timeout 5 --max-time 120 --retry 1 -o "$download/civetweb.part" "$CIVETWEB_TARBALL" &&
      mv "$download/civetweb.part" "$download/civetweb-1.16.tar.gz" ||
      debian_source trixie "$download" civetweb || debian_source sid "$download" civetweb ||
      die "civetweb 1.16 is to be had neither at $CIVETWEB_TARBALL nor as Debian source package; put its release tarball into $download"
  fi
  tar -C "$CIVETWEB" --strip-components=1 -xf "$(compgen -G "$download/civetweb*1.16*.tar.*" | head -n 1)" || {
    rm -rf "$download"
    die "what was fetched as civetweb 1.16 is no tarball; try again"
  }
}
