# Fetches the source of civetweb v1.16 into build/civetweb and verifies it file by file. Sourced by build.sh.
# shellcheck shell=bash

readonly CIVETWEB_TARBALL=https://github.com/civetweb/civetweb/archive/refs/tags/v1.16.tar.gz
readonly CIVETWEB=$BUILD/civetweb

# fetch_civetweb: from Debian's source package of that release or, if there is no mirror that has it, from upstream. The
# build stops unless each compiled file is the same, byte for byte.
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
    debian_pool pool/main/c/civetweb "$download" civetweb_1.16+dfsg.orig.tar.xz || {
      curl -fsSL --connect-timeout 5 --max-time 120 --retry 1 -o "$download/civetweb.part" "$CIVETWEB_TARBALL" &&
        mv "$download/civetweb.part" "$download/civetweb-1.16.tar.gz"
    } || die "cannot fetch civetweb 1.16 as a Debian source package or from $CIVETWEB_TARBALL; put its release tarball into $download"
  fi
  tar -C "$CIVETWEB" --strip-components=1 -xf "$(compgen -G "$download/civetweb*1.16*.tar.*" | head -n 1)" || {
    rm -rf "$download"
    die "the file fetched as civetweb 1.16 is not a tarball; try again"
  }
}
