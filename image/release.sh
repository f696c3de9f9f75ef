# Makes a release in build/release and, with --to, pushes it. Sourced by build.sh.
# shellcheck shell=bash
#
# The image is pushed by its digest, then the chart, which names that digest. Both are signed before either gets its tag, so
# no tag ever names something unsigned, and a run that failed can be repeated.

# shellcheck source=image/build.sh
source "$ROOT/image/build.sh"
# shellcheck source=third_party/go/build.sh
source "$ROOT/third_party/go/build.sh"

readonly RELEASED=$BUILD/release RELEASE_WORK=$BUILD/release-work CHANGELOG=.github/CHANGELOG.md
readonly RELEASE_ARCHITECTURES=(amd64 arm64)

# release_main [--to REGISTRY] [--key KEY | --keyless]
release_main() {
  local registry='' key='' keyless='' signer=() image chart arch options=()
  parse_release "$@"
  check_machine
  check_commit
  check_version
  # What it needs is installed once the rest is right.
  need release
  go_tool helm helm-docs yq cosign
  PATH=$BUILD/tools/bin:$PATH
  check_key
  image=${registry:+$registry/}web-app chart=${registry:+$registry/}charts/web-app
  [ -z "$registry" ] || refuse_existing "$image:$VERSION" "$chart:$VERSION"
  for arch in "${RELEASE_ARCHITECTURES[@]}"; do options+=(--arch "$arch"); done
  cmd_layout "${options[@]}"
  rm -rf "$RELEASED" "$RELEASE_WORK" && mkdir -p "$RELEASED" "$RELEASE_WORK"
  step "package the chart" release_chart
  step "gather the release" release_files
  [ ${#signer[@]} = 0 ] || step "sign the checksums" sign_checksums
  [ -z "$registry" ] || push_release
  say "build/release has web-app $VERSION:"
  (cd "$RELEASED" && ls -l) >&2
}

# parse_release ARGUMENT...: sets registry, key and keyless.
parse_release() {
  while [ $# -gt 0 ]; do
    case $1 in
      --keyless) keyless=yes ;;
      --to | --key)
        [ -n "${2:-}" ] || die "$1 needs a value"
        if [ "$1" = --to ]; then registry=$2; else key=$2; fi
        shift
        ;;
      *) die "usage: ./build.sh release [--to REGISTRY] [--key KEY | --keyless]" ;;
    esac
    shift
  done
  [ -z "$key" ] || [ -z "$keyless" ] || die "--key and --keyless exclude each other"
  [ -n "$registry" ] || return 0
  # Without a dot or a port the first part would be a user of Docker Hub.
  [[ $registry =~ ^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$ && ${registry%%/*} =~ [.:] ]] ||
    die "--to $registry is no registry; give its host and path in lower case, such as registry.example.com/owner"
  [ -n "$key$keyless" ] || die "nothing unsigned is pushed; give --key KEY, or --keyless in a workflow"
}

# check_machine: dies where the programs would be others than those of the pins.
check_machine() {
  [ "$MACHINE" = amd64 ] || die "a release is made on amd64, and this is $MACHINE; use an amd64 machine"
  [ -n "$(find_debian_mirror)" ] || die "a release has Debian's C library, and apt names no mirror of Debian; use Debian 12, or a container of it"
}

# check_commit: dies unless the files are those of a commit and, to be pushed, of the one that has the version's tag.
check_commit() {
  local changes tags
  in_git rev-parse HEAD >/dev/null || die "a release is made from a commit, and this is no git checkout; clone the project"
  changes=$(in_git status --porcelain)
  [ -z "$changes" ] || die "a release is made from a commit, and $(head -n 1 <<<"${changes:3}") differs from it; commit it or remove it"
  tags=$(in_git tag --points-at HEAD 'v*')
  if [ -n "$tags" ]; then
    grep -qxF "v$VERSION" <<<"$tags" || die "this commit has the tag ${tags%%$'\n'*}, but VERSION in build.sh is $VERSION"
  else
    [ -z "$registry" ] || die "this commit has no tag; what is pushed must have one: git tag v$VERSION"
  fi
}

# check_version: dies unless the chart and the changelog have the version too.
check_version() {
  local field
  for field in version appVersion; do
    grep -qxF "$field: $VERSION" "$ROOT/chart/Chart.yaml" || die "$field in chart/Chart.yaml is not $VERSION, which VERSION in build.sh is"
  done
  [ -n "$(release_changes)" ] || die "$CHANGELOG has no section \"## $VERSION\" that says what changed; write it"
}

# release_changes: prints the version's section of the changelog.
release_changes() {
  awk -v heading="## $VERSION" '
    /^## / { inside = $0 == heading; next }
    inside && (NF || text) { text = text blank $0 "\n"; blank = "" }
    END { sub(/\n+$/, "", text); if (text) print text }' "$ROOT/$CHANGELOG"
}

# check_key: sets signer to the options of cosign. With a key it asks no service.
check_key() {
  local problem
  [ -z "$keyless" ] || signer=(--yes)
  [ -n "$key" ] || return 0
  [ -n "${COSIGN_PASSWORD+set}" ] || die "COSIGN_PASSWORD is not set; it has the password of the key, or nothing"
  problem=$(cosign public-key --key "$key" 2>&1 >/dev/null </dev/null) ||
    die "the key $key cannot be used: $(tail -n 1 <<<"${problem#Error: }"); cosign generate-key-pair makes one, COSIGN_PASSWORD has its password"
  signer=(--yes --key "$key" --signing-config "$RELEASE_WORK/no-service.json")
}

# refuse_existing REFERENCE...: dies if the registry has one of them, or does not say.
refuse_existing() {
  local reference answer
  for reference in "$@"; do
    if answer=$(timeout 60 skopeo inspect --raw "docker://$reference" 2>&1); then
      die "$reference exists, and nothing is overwritten; raise VERSION in build.sh"
    fi
    # Of skopeo's line only the end is for people.
    answer=$(tail -n 1 <<<"$answer" | sed 's/"$//; s/.*\\": //')
    [[ $answer = *'manifest unknown'* || $answer = *'name unknown'* ]] ||
      die "the registry does not say whether $reference exists: ${answer:-no response within 60 s}"
  done
}

# layout_digest LAYOUT: prints the digest of the one image in it.
layout_digest() { jq -r '.manifests[0].digest' "$1/index.json"; }

# release_chart: packages the chart with the image's digest in it, and makes the artefact of it that a registry stores. Each
# file has the time of the commit, so the same commit gives the same bytes.
release_chart() {
  local copy=$RELEASE_WORK/chart digest annotations
  digest=$(index_digest)
  cp -r "$ROOT/chart" "$copy"
  # yq(1) would remove the empty lines.
  sed -i "s|^  repository: web-app\$|  repository: $image|; s|^  digest: \"\"\$|  digest: $digest|" "$copy/values.yaml"
  [ "$(yq '.image.repository + "@" + .image.digest' "$copy/values.yaml")" = "$image@$digest" ]
  annotations=$(jq -n --arg images "$(yq -P <<<"[{name: web-app, image: '$image:$VERSION@$digest'}]")" --arg changes "$(chart_changes)" \
    '{"artifacthub.io/images": $images, "artifacthub.io/changes": $changes}')
  annotations=$annotations yq -i '.annotations += env(annotations) | (.annotations | ..) style = ""' "$copy/Chart.yaml"
  helm-docs --chart-search-root "$copy" --log-level warning
  [ -z "$registry" ] || sed -i "s|oci://REGISTRY/|oci://$registry/|" "$copy/README.md"
  find "$copy" -exec touch --date="@$(source_date)" {} +
  helm package "$copy" --destination "$RELEASED"
  yq --output-format json "$copy/Chart.yaml" >"$RELEASE_WORK/config.json"
  artefact "$RELEASE_WORK/chart-layout" application/vnd.cncf.helm.config.v1+json "$RELEASE_WORK/config.json" \
    application/vnd.cncf.helm.chart.content.v1.tar+gzip "$RELEASED/web-app-$VERSION.tgz" \
    "$(jq --argjson labels "$(labels)" '$labels + {"org.opencontainers.image.description": .description} + .annotations' "$RELEASE_WORK/config.json")"
}

# chart_changes: prints the changes as Artifact Hub reads them.
chart_changes() {
  release_changes | awk '
    function end() { if (text) print kind "\t" text; text = "" }
    /^### / { end(); kind = tolower($2) }
    /^- / { end(); text = substr($0, 3) }
    /^ / { sub(/^ +/, " "); text = text $0 }
    END { end() }' | jq -Rn '[inputs | split("\t") | {kind: .[0], description: .[1]}]' | yq -P
}

# artefact LAYOUT CONFIG-TYPE CONFIG TYPE FILE ANNOTATIONS: makes an OCI layout of one file that is no image.
artefact() {
  local layout=$1 config file
  mkdir -p "$layout/blobs/sha256"
  config=$(artefact_blob "$layout" "$2" "$3")
  file=$(artefact_blob "$layout" "$4" "$5")
  jq_sorted -n --argjson config "$config" --argjson file "$file" --argjson annotations "$6" '{schemaVersion: 2,
    mediaType: "application/vnd.oci.image.manifest.v1+json", $config, layers: [$file], $annotations}' >"$RELEASE_WORK/manifest.json"
  seal "$layout" "$(artefact_blob "$layout" application/vnd.oci.image.manifest.v1+json "$RELEASE_WORK/manifest.json")"
}

# artefact_blob LAYOUT TYPE FILE: copies the file into the layout, and prints its descriptor.
artefact_blob() {
  local hash
  hash=$(sha256sum <"$3" | cut -d ' ' -f 1)
  cp "$3" "$1/blobs/sha256/$hash"
  jq_sorted -n --arg mediaType "$2" --arg digest "sha256:$hash" --argjson size "$(stat -c %s "$3")" '{$mediaType, $digest, $size}'
}

# release_files: puts the rest into build/release.
release_files() {
  local arch
  for arch in "${RELEASE_ARCHITECTURES[@]}"; do
    cp "$(program_of "$arch")" "$RELEASED/web-app-$VERSION-$arch"
    cp "$(sbom_of "$arch")" "$RELEASED/web-app-$VERSION-$arch.spdx.json"
  done
  # Every image of the release in one file, for a machine that reaches no registry.
  tar -C "$LAYOUT" -cf "$RELEASED/web-app-$VERSION-image.tar" --format=ustar --sort=name --mtime="@$(source_date)" \
    --numeric-owner --owner=0 --group=0 --mode=u=rwX,go=rX blobs index.json oci-layout
  printf '%s\n' "$image:$VERSION@$(index_digest)" "$chart:$VERSION@$(layout_digest "$RELEASE_WORK/chart-layout")" >"$RELEASED/digests.txt"
  {
    release_changes
    # shellcheck disable=SC2016 # Markdown
    [ -z "$registry" ] || printf '\n### Install\n\n```\nhelm install chart oci://%s --version %s\n```\n' "$chart" "$VERSION"
    # shellcheck disable=SC2016 # Markdown
    printf '\n### Digests\n\n```\n%s\n```\n' "$(cat "$RELEASED/digests.txt")"
  } >"$RELEASED/notes.md"
  [ -z "$key" ] || cosign public-key --key "$key" --outfile "$RELEASED/cosign.pub"
  chmod -R u=rwX,go=rX "$RELEASED"
  (cd "$RELEASED" && LC_ALL=C && sha256sum -- * >"$RELEASE_WORK/SHA256SUMS" && mv "$RELEASE_WORK/SHA256SUMS" .)
}

sign_checksums() {
  no_service
  cosign sign-blob "${signer[@]}" --bundle "$RELEASED/SHA256SUMS.sigstore.json" "$RELEASED/SHA256SUMS"
  chmod 0644 "$RELEASED/SHA256SUMS.sigstore.json"
}

# no_service: writes what tells cosign that no service takes part.
no_service() { [ -n "$keyless" ] || cosign signing-config create --out "$RELEASE_WORK/no-service.json"; }

push_release() {
  local image_digest chart_digest hub=$RELEASE_WORK/artifacthub-layout
  image_digest=$(index_digest)
  chart_digest=$(layout_digest "$RELEASE_WORK/chart-layout")
  step "push $image@$image_digest" push "$LAYOUT" "$image"
  step "sign it, and attach the SBOM" sign_image
  step "push $chart@$chart_digest" push "$RELEASE_WORK/chart-layout" "$chart"
  step "sign it" cosign sign "${signer[@]}" "$chart@$chart_digest"
  step "tag $image:$VERSION" tag "$image" "$image_digest" "$VERSION"
  step "tag $chart:$VERSION" tag "$chart" "$chart_digest" "$VERSION"
  # Of the repository, not of a version: the one tag that a later release may move.
  echo '{}' >"$RELEASE_WORK/config.json"
  artefact "$hub" application/vnd.cncf.artifacthub.config.v1+yaml "$RELEASE_WORK/config.json" \
    application/vnd.cncf.artifacthub.repository-metadata.layer.v1.yaml "$ROOT/chart/artifacthub-repo.yml" '{}'
  step "push $chart:artifacthub.io" skopeo copy --retry-times 3 "oci:$hub" "docker://$chart:artifacthub.io"
}

# push LAYOUT REPOSITORY: pushes without a tag.
push() { skopeo copy --all --preserve-digests --retry-times 3 "oci:$1" "docker://$2@$(layout_digest "$1")"; }

# tag REPOSITORY DIGEST TAG
tag() { skopeo copy --all --preserve-digests --retry-times 3 "docker://$1@$2" "docker://$1:$3"; }

# sign_image: signs the index and the images in it. Each image gets its SBOM, the index those of all.
sign_image() {
  local arch subject
  cosign sign "${signer[@]}" --recursive "$image@$image_digest"
  for arch in "${RELEASE_ARCHITECTURES[@]}"; do
    for subject in "$image_digest" "$(platform_digest "$arch")"; do
      cosign attest "${signer[@]}" --type spdxjson --predicate "$RELEASED/web-app-$VERSION-$arch.spdx.json" "$image@$subject"
    done
  done
}
