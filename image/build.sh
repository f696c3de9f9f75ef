# Makes the container images, without a container engine: their files, and from these an OCI image layout. Sourced by
# build.sh.
# shellcheck shell=bash
#
# The same commit gives the same digests: names are sorted, owners and modes are given here, and each time is that of the
# commit. tar(1), gzip(1) and jq(1) write the image, because a digest that an engine computes changes with its version.

# Several verbs may source this file in one run.
! declare -F build_layout >/dev/null || return 0

# shellcheck source=image/sbom.sh
source "$ROOT/image/sbom.sh"

readonly IMAGE_BUILD=$BUILD/image
readonly LAYOUT=$IMAGE_BUILD/oci

# index_digest: prints the digest of the index of the images.
index_digest() { jq -r '.manifests[0].digest' "$LAYOUT/index.json"; }

# platform_digest ARCH: prints the digest of that architecture's image.
platform_digest() {
  jq -r --arg arch "$1" '.manifests[] | select(.platform.architecture == $arch).digest' "$LAYOUT/$(blob_path "$(index_digest)")"
}

# root_of ARCH: prints the directory with the files of its image.
root_of() { echo "$IMAGE_BUILD/root-$1"; }

# archive_of ARCH: prints the archive of its image for `docker load`.
archive_of() { echo "$IMAGE_BUILD/web-app-$1.tar"; }

# build_layout ARCH...: makes build/image/oci, whose index has the image of each architecture, and an archive of each.
build_layout() {
  fetch_tzdata
  step "compile time zones" compile_zones
  step "assemble the image web-app:$VERSION for $*" assemble_layout "$@"
}

# compile_zones: compiles the zones in the slim form, without the transitions that the TZ string at a file's end implies.
# Other names of a zone are symbolic links: some engines make copies of hard links.
compile_zones() {
  local zones=$IMAGE_BUILD/zoneinfo inode name last=
  rm -rf "$IMAGE_BUILD" && mkdir -p "$IMAGE_BUILD"
  (cd "$TZDATA" && PATH=$PATH:/usr/sbin zic -b slim -d "$zones" africa antarctica asia australasia europe northamerica \
    southamerica etcetera factory backward)
  while read -r inode name; do
    if [ "${inode}" = "${last%% *}" ]; then ln -srf "${last#* }" "$name"; else last="$inode $name"; fi
  done < <(find "$zones" -type f -links +1 -printf '%i %p\n' | LC_ALL=C sort)
}

assemble_layout() {
  local arch descriptors=()
  # The caller's own options must not change an image.
  unset TAR_OPTIONS GZIP
  mkdir -p "$LAYOUT/blobs/sha256"
  for arch in "$@"; do
    write_sbom "$arch"
    assemble_root "$arch"
    descriptors+=("$(assemble_platform "$arch")")
    assemble_archive "$arch" "${descriptors[-1]}"
  done
  jq_sorted -n --argjson annotations "$(labels)" '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: $ARGS.positional, $annotations}' --jsonargs "${descriptors[@]}" >"$IMAGE_BUILD/index.json"
  seal "$LAYOUT" "$(jq_sorted --arg version "$VERSION" '.annotations = {"org.opencontainers.image.ref.name": $version}' \
    <<<"$(blob application/vnd.oci.image.index.v1+json "$IMAGE_BUILD/index.json")")"
}

# assemble_root ARCH: the whole image: one static program, the time zones it reads, and a directory for the visits, of group
# 0, in which is any user that OpenShift chooses.
assemble_root() {
  local root
  root=$(root_of "$1")
  mkdir -p "$root/usr/local/bin" "$root/usr/share/sbom" "$root/data"
  cp "$(program_of "$1")" "$root/usr/local/bin/web-app"
  cp "$(sbom_of "$1")" "$root/usr/share/sbom/web-app.spdx.json"
  cp -r "$IMAGE_BUILD/zoneinfo" "$root/usr/share/zoneinfo"
  chmod -R u=rwX,go=rX "$root"
  chmod 0775 "$root/data"
}

# assemble_platform ARCH: writes the layer, the configuration and the manifest of its image; prints its descriptor.
assemble_platform() {
  local arch=$1 layer=$IMAGE_BUILD/layer.tar platform diff
  local pack=(tar -C "$(root_of "$arch")" -f "$layer" --format=ustar --sort=name --mtime="@$(source_date)" --numeric-owner)
  "${pack[@]}" -c --owner=0 --group=0 usr
  "${pack[@]}" -r --owner=65532 --group=0 data
  diff=sha256:$(sha256sum <"$layer" | cut -d ' ' -f 1)
  gzip -9n "$layer"
  platform=$(jq_sorted -n --arg architecture "$arch" \
    '{$architecture, os: "linux"} + if $architecture == "arm64" then {variant: "v8"} else {} end')
  jq_sorted --argjson platform "$platform" --argjson labels "$(labels)" --arg diff "$diff" --arg created "$(created)" '
    $platform + {$created, config: (. + {Labels: $labels}), rootfs: {type: "layers", diff_ids: [$diff]},
      history: [{$created, created_by: "./build.sh image"}]}' "$ROOT/image/config.json" >"$IMAGE_BUILD/config.json"
  jq_sorted -n --argjson config "$(blob application/vnd.oci.image.config.v1+json "$IMAGE_BUILD/config.json")" \
    --argjson layer "$(blob application/vnd.oci.image.layer.v1.tar+gzip "$layer.gz")" '
    {schemaVersion: 2, mediaType: "application/vnd.oci.image.manifest.v1+json", $config, layers: [$layer]}' >"$IMAGE_BUILD/manifest.json"
  jq_sorted --argjson platform "$platform" '. + {$platform}' \
    <<<"$(blob application/vnd.oci.image.manifest.v1+json "$IMAGE_BUILD/manifest.json")"
}

# assemble_archive ARCH DESCRIPTOR: an OCI layout of that image alone, which older engines read too: by its manifest.json.
assemble_archive() {
  local archive=$IMAGE_BUILD/archive digest config layer
  digest=$(jq -r .digest <<<"$2")
  config=$(blob_path "$(jq -r .config.digest "$LAYOUT/$(blob_path "$digest")")")
  layer=$(blob_path "$(jq -r '.layers[0].digest' "$LAYOUT/$(blob_path "$digest")")")
  mkdir -p "$archive/blobs/sha256"
  for blob in "$(blob_path "$digest")" "$config" "$layer"; do ln "$LAYOUT/$blob" "$archive/$blob"; done
  jq_sorted -n --arg tag "web-app:$VERSION" --arg config "$config" --arg layer "$layer" \
    '[{Config: $config, RepoTags: [$tag], Layers: [$layer]}]' >"$archive/manifest.json"
  seal "$archive" "$(jq_sorted --arg version "$VERSION" '.annotations = {"org.opencontainers.image.ref.name": $version,
    "io.containerd.image.name": "docker.io/library/web-app:\($version)"}' <<<"$2")"
  tar -C "$archive" -cf "$(archive_of "$1")" --format=ustar --sort=name --mtime="@$(source_date)" --numeric-owner \
    --owner=0 --group=0 --mode=u=rwX,go=rX blobs index.json manifest.json oci-layout
  rm -r "$archive"
}

# blob TYPE FILE: moves the file into the layout, and prints its descriptor.
blob() {
  local hash size
  hash=$(sha256sum <"$2" | cut -d ' ' -f 1)
  size=$(stat -c %s "$2")
  mv "$2" "$LAYOUT/blobs/sha256/$hash"
  jq_sorted -n --arg mediaType "$1" --arg digest "sha256:$hash" --argjson size "$size" '{$mediaType, $digest, $size}'
}

# blob_path DIGEST: prints its path in a layout.
blob_path() { echo "blobs/${1/://}"; }

# seal DIRECTORY DESCRIPTOR: makes DIRECTORY a layout with that image.
seal() {
  echo '{"imageLayoutVersion":"1.0.0"}' >"$1/oci-layout"
  jq_sorted '{schemaVersion: 2, mediaType: "application/vnd.oci.image.index.v1+json", manifests: [.]}' <<<"$2" >"$1/index.json"
}

# jq_sorted ARG...: jq with one form of the same JSON.
jq_sorted() { jq --compact-output --sort-keys "$@"; }

# labels: prints the labels of the images. Without IMAGE_SOURCE, the address of this project's home, they name none.
labels() {
  jq_sorted -n --arg version "$VERSION" --arg revision "$(revision)" --arg created "$(created)" --arg source "${IMAGE_SOURCE:-}" '
    {title: "web-app", description: "Serves a page and records every visit in a file", $version, $revision, $created,
      licenses: "MIT"} + if $source == "" then {} else {$source, url: $source, documentation: "\($source)#readme"} end |
    with_entries(.key |= "org.opencontainers.image.\(.)")'
}

# check_labels: dies if the environment has a wrong time or address for them.
check_labels() {
  [[ ${SOURCE_DATE_EPOCH:-0} =~ ^[0-9]{1,11}$ ]] ||
    die "SOURCE_DATE_EPOCH=$SOURCE_DATE_EPOCH is not a number of seconds; give the time of the commit, or unset it"
  [[ ${IMAGE_SOURCE:-https://} =~ ^https:// ]] ||
    die "IMAGE_SOURCE=$IMAGE_SOURCE is not an address; give one that begins with https://, or unset it"
}

# source_date: prints the time of each file and image: that of the commit, or SOURCE_DATE_EPOCH. Without either, as from a
# tarball, it is 0: any other time would differ from one build to the next.
source_date() { echo "${SOURCE_DATE_EPOCH:-$(in_git log -1 --format=%ct || echo 0)}"; }

created() { date -u -d "@$(source_date)" +%Y-%m-%dT%H:%M:%SZ; }

# revision: prints the commit, with -dirty if a file differs from it, or unknown.
revision() {
  local commit changes
  commit=$(in_git rev-parse HEAD) && changes=$(in_git status --porcelain) || {
    echo unknown
    return
  }
  echo "$commit${changes:+-dirty}"
}

# in_git COMMAND...: git in this project, also as another user than the files' owner. Modes are not compared: some systems
# copy a project without them.
in_git() { git -C "$ROOT" -c safe.directory="$ROOT" -c core.fileMode=false "$@" 2>/dev/null; }

# load_image: loads the image of this machine's architecture into Docker as web-app:<version>.
load_image() {
  step "load web-app:$VERSION into Docker" docker load --input "$(archive_of "$MACHINE")"
}
