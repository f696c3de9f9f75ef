# Fetches the source of the IANA time zones into build/tzdata and verifies it. Sourced by build.sh.
# shellcheck shell=bash

readonly TZDATA_VERSION=2026b
readonly TZDATA_TARBALL=https://data.iana.org/time-zones/releases/tzdata$TZDATA_VERSION.tar.gz
readonly TZDATA=$BUILD/tzdata

# fetch_tzdata: from the Debian mirror of this machine, where the release has another name and the same bytes, or, if that
# does not have it, from IANA, which keeps all releases.
fetch_tzdata() {
  local manifest=$ROOT/third_party/tzdata/tzdata.sha256
  cmp -s "$manifest" "$TZDATA/.verified" && return
  step "fetch time zones $TZDATA_VERSION" unpack_tzdata
  cp "$manifest" "$TZDATA/.verified"
}

unpack_tzdata() {
  local download=$BUILD/cache/tzdata file
  read -r _ file <"$manifest"
  rm -rf "$TZDATA" && mkdir -p "$TZDATA" "$download"
  [ -e "$download/$file" ] || debian_pool pool/main/t/tzdata "$download" "$file" ||
    { curl -fsSL --connect-timeout 5 --max-time 120 --retry 1 -o "$download/part" "$TZDATA_TARBALL" &&
      mv "$download/part" "$download/$file"; } ||
    die "cannot fetch $file from a Debian mirror or $TZDATA_TARBALL; put it into $download"
  verify "$manifest" "$download"
  tar -C "$TZDATA" -xf "$download/$file"
}
