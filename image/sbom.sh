# The software bill of materials: SPDX 2.3, from the pins of third_party/. Sourced by image/build.sh.
# shellcheck shell=bash

# sbom_of ARCH: prints the path of the bill of its program and image.
sbom_of() { echo "$(program_of "$1").spdx.json"; }

# write_sbom ARCH: writes it. A scanner finds nothing in a static program without a package manager; this says what was
# compiled into it and what lies beside it in the image.
write_sbom() {
  local arch=$1 program pins files
  program=$(program_of "$arch")
  files=$(civetweb_files)
  pins=$(jq_sorted -n --arg version "$VERSION" --arg arch "$arch" --arg created "$(created)" \
    --arg program "$(sha256_of "$program")" --argjson civetweb "$files" --arg civetweb_origin "$CIVETWEB_TARBALL" \
    --arg verification_code "$(jq -r '.[].sha1' <<<"$files" | LC_ALL=C sort | tr -d '\n' | sha1sum | cut -d ' ' -f 1)" \
    --argjson musl "$(musl_pin "$arch")" --arg gcc "$("$(tool_of "$arch" gcc)" -dumpfullversion)" \
    --arg tzdata "$TZDATA_VERSION" --arg tzdata_hash "$(cut -d ' ' -f 1 "$ROOT/third_party/tzdata/tzdata.sha256")" \
    --arg tzdata_origin "$TZDATA_TARBALL" --rawfile tzdata_licence "$TZDATA/LICENSE" '$ARGS.named')
  # The namespace must be unique: it is a name for these very pins.
  jq_sorted --arg namespace "$(sha256_of - <<<"$pins")" -f "$ROOT/image/sbom.jq" <<<"$pins" >"$(sbom_of "$arch")"
}

sha256_of() { sha256sum "$1" | cut -d ' ' -f 1; }

# civetweb_files: prints the compiled files with their hashes; SPDX demands SHA-1 too.
civetweb_files() {
  local hash name
  while read -r hash name; do
    jq -n --arg name "$name" --arg sha256 "$hash" --arg sha1 "$(sha1sum "$CIVETWEB/$name" | cut -d ' ' -f 1)" '$ARGS.named'
  done <"$ROOT/third_party/civetweb/manifest.sha256" | jq_sorted -s .
}

# musl_pin ARCH: prints the package and its hash; of a distribution's own, the installed version.
musl_pin() {
  local manifest=$ROOT/third_party/debian/musl-$1.sha256 file hash=
  if [ -d "$BUILD/tools/musl-$1" ]; then
    read -r hash file <"$manifest"
  else
    file=$(dpkg-query -W -f '${Package}_${Version}_${Architecture}.deb' musl-dev)
  fi
  # shellcheck disable=SC1091 # only if it is not Debian's that is pinned
  jq_sorted -n --arg file "$file" --arg hash "$hash" --arg vendor "$([ "$hash" ] && echo debian || (. /etc/os-release && echo "$ID"))" '
    ($file | capture("^(?<name>.*)_(?<version>.*)_(?<arch>.*)\\.deb")) as $deb |
    {$file, $hash, version: $deb.version, purl: "pkg:deb/\($vendor)/\($deb.name)@\($deb.version)?arch=\($deb.arch)"}'
}
