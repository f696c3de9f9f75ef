# `./build.sh release`: what it makes, what it pushes to a registry on the loopback, and what it refuses.

load ../lib/registry

export COSIGN_PASSWORD=password

setup_file() {
  requires_release
  VERSION=$(version)
  export VERSION
  make_key ours
  make_checkout "$BATS_FILE_TMPDIR/checkout"
  start_registry
  release "$BATS_FILE_TMPDIR/checkout" --to "$REGISTRY" --key "$BATS_FILE_TMPDIR/ours.key" >"$BATS_FILE_TMPDIR/release.log" 2>&1 ||
    fail "$(cat "$BATS_FILE_TMPDIR/release.log")"
}

teardown_file() { stop_registry; }

setup() {
  RELEASE=$BATS_FILE_TMPDIR/checkout/build/release
  containers=() volumes=()
}

teardown() {
  stop_started
  [ ${#containers[@]} = 0 ] || docker rm --force --volumes "${containers[@]}" >/dev/null
  [ ${#volumes[@]} = 0 ] || docker volume rm --force "${volumes[@]}" >/dev/null
}

@test "a release has programs, SBOMs and images of both architectures, the chart, notes, checksums and a signature" {
  LC_ALL=C run ls "$RELEASE"
  assert_output "SHA256SUMS
SHA256SUMS.sigstore.json
cosign.pub
digests.txt
notes.md
web-app-$VERSION-amd64
web-app-$VERSION-amd64.spdx.json
web-app-$VERSION-arm64
web-app-$VERSION-arm64.spdx.json
web-app-$VERSION-image.tar
web-app-$VERSION.tgz"
  assert_equal "$(cd "$RELEASE" && find . -type f ! -name 'SHA256SUMS*' -printf '%P\n' | LC_ALL=C sort | xargs sha256sum)" "$(cat "$RELEASE/SHA256SUMS")"
  cosign verify-blob --key "$BATS_FILE_TMPDIR/ours.pub" --insecure-ignore-tlog --bundle "$RELEASE/SHA256SUMS.sigstore.json" "$RELEASE/SHA256SUMS"
  cmp "$RELEASE/cosign.pub" "$BATS_FILE_TMPDIR/ours.pub"
  assert_regex "$(file_type "$RELEASE/web-app-$VERSION-amd64")" 'X86-64'
  assert_regex "$(file_type "$RELEASE/web-app-$VERSION-arm64")" 'AArch64'
  assert_equal "$(skopeo inspect --raw "oci-archive:$RELEASE/web-app-$VERSION-image.tar" | sha256sum)" "$(manifest "$REGISTRY/web-app:$VERSION" | sha256sum)"
}

file_type() { readelf -h "$1" | grep Machine; }

@test "control: a changed checksum does not pass with the signature" {
  sed '1s/./x/' "$RELEASE/SHA256SUMS" >"$BATS_TEST_TMPDIR/SHA256SUMS"
  run cosign verify-blob --key "$BATS_FILE_TMPDIR/ours.pub" --insecure-ignore-tlog --bundle "$RELEASE/SHA256SUMS.sigstore.json" "$BATS_TEST_TMPDIR/SHA256SUMS"
  assert_failure
}

@test "the registry has an index of both architectures and nothing else, and the digests that the release names" {
  assert_equal "$(manifest "$REGISTRY/web-app:$VERSION" | jq -r '.manifests[] | .platform.os + "/" + .platform.architecture')" "linux/amd64
linux/arm64"
  assert_equal "$(cat "$RELEASE/digests.txt")" "$REGISTRY/web-app:$VERSION@$(digest_of "$REGISTRY/web-app:$VERSION")
$REGISTRY/charts/web-app:$VERSION@$(digest_of "$REGISTRY/charts/web-app:$VERSION")"
  run skopeo list-tags "docker://$REGISTRY/charts/web-app"
  assert_equal "$(jq -r '.Tags[] | select(test("^sha256-") | not)' <<<"$output")" "$VERSION
artifacthub.io"
}

@test "the chart in the registry runs the image by its digest, and has the changes of the changelog" {
  local image
  image=$REGISTRY/web-app@$(digest_of "$REGISTRY/web-app:$VERSION")
  run helm template chart "oci://$REGISTRY/charts/web-app" --version "$VERSION"
  assert_success
  assert_equal "$(sed -n 's/^ *image: //p' <<<"$output" | sort -u)" "\"$image\""
  run helm3 template chart "oci://$REGISTRY/charts/web-app" --version "$VERSION" --kube-version 1.30.0
  assert_success
  assert_equal "$(sed -n 's/^ *image: //p' <<<"$output" | sort -u)" "\"$image\""
  helm show chart "oci://$REGISTRY/charts/web-app" --version "$VERSION" 2>/dev/null >"$BATS_TEST_TMPDIR/Chart.yaml"
  assert_equal "$(yq '.annotations["artifacthub.io/images"] | from_yaml | .[].image' "$BATS_TEST_TMPDIR/Chart.yaml")" "${image/@/:$VERSION@}"
  assert_equal "$(yq '.annotations["artifacthub.io/changes"] | from_yaml | length' "$BATS_TEST_TMPDIR/Chart.yaml")" \
    "$(awk -v version="## $VERSION" '/^## / { inside = $0 == version } inside && /^- / { count++ } END { print count }' "$ROOT/.github/CHANGELOG.md")"
  helm show readme "oci://$REGISTRY/charts/web-app" --version "$VERSION" 2>/dev/null >"$BATS_TEST_TMPDIR/README.md"
  run grep -F "helm install chart oci://$REGISTRY/charts/web-app --version $VERSION" "$BATS_TEST_TMPDIR/README.md"
  assert_success
  # helm wrote what it pulled, and the digest of the chart is that of helm.
  run helm pull "oci://$REGISTRY/charts/web-app" --version "$VERSION" --destination "$BATS_TEST_TMPDIR"
  assert_line --partial "$(digest_of "$REGISTRY/charts/web-app:$VERSION")"
  cmp "$BATS_TEST_TMPDIR/web-app-$VERSION.tgz" "$RELEASE/web-app-$VERSION.tgz"
}

@test "image, chart and SBOMs pass the commands of README" {
  cp "$BATS_FILE_TMPDIR/ours.pub" "$BATS_TEST_TMPDIR/cosign.pub"
  cd "$BATS_TEST_TMPDIR" || return
  run limited bash -euo pipefail -c "$(readme_commands 'verify with a key')"
  assert_success
  assert_output --partial "$(digest_of "$REGISTRY/web-app:$VERSION")"
  assert_output --partial "$(digest_of "$REGISTRY/charts/web-app:$VERSION")"
  # The SBOMs that README's command prints are those of the release, in any order.
  run --separate-stderr limited bash -euo pipefail -c "$(readme_commands 'read the SBOM')"
  assert_success
  assert_equal "$(jq -sS sort <<<"$output")" "$(jq -sS sort "$RELEASE/web-app-$VERSION"-a*64.spdx.json)"
}

@test "each image of the index is signed too, and has its own SBOM" {
  local arch digest
  for arch in amd64 arm64; do
    digest=$(manifest "$REGISTRY/web-app:$VERSION" | jq -r --arg arch "$arch" '.manifests[] | select(.platform.architecture == $arch).digest')
    cosign verify --key "$BATS_FILE_TMPDIR/ours.pub" --insecure-ignore-tlog "$REGISTRY/web-app@$digest"
    run --separate-stderr cosign verify-attestation --key "$BATS_FILE_TMPDIR/ours.pub" --insecure-ignore-tlog --type spdxjson "$REGISTRY/web-app@$digest"
    assert_success
    assert_equal "$(jq -S '.payload | @base64d | fromjson.predicate' <<<"$output")" "$(jq -S . "$RELEASE/web-app-$VERSION-$arch.spdx.json")"
  done
}

# puts: prints what was pushed to the registry, in order: REPOSITORY/NAME of each manifest.
puts() { sed -nE 's|.*"PUT /v2/(.*)/manifests/([^ ]*) HTTP.*" 201 .*|\1 \2|p' "$REGISTRY_LOG"; }

# position REPOSITORY NAME: prints its place among these.
position() { puts | grep -nxF "$1 $2" | head -n 1 | cut -d : -f 1; }

@test "what is pushed is signed before it gets its tag" {
  local repository digest
  for repository in web-app charts/web-app; do
    digest=$(digest_of "$REGISTRY/$repository:$VERSION")
    # cosign keeps the signatures of a digest in an index with this tag.
    run echo "$(position "$repository" "$digest") $(position "$repository" "sha256-${digest#*:}") $(position "$repository" "$VERSION")"
    assert_output --regexp '^[0-9]+ [0-9]+ [0-9]+$'
    assert_equal "$output" "$(xargs -n 1 <<<"$output" | sort -n | xargs)"
  done
  # Neither has a tag while the other has no signature.
  assert [ "$(position web-app "$VERSION")" -gt "$(puts | grep -nE '^charts/web-app sha256-' | head -n 1 | cut -d : -f 1)" ]
}

@test "a version that the registry has is refused, and stays as it is" {
  local before image
  before=$(puts | wc -l)
  image=$(digest_of "$REGISTRY/web-app:$VERSION")
  cp -r "$BATS_FILE_TMPDIR/checkout" "$BATS_TEST_TMPDIR/other"
  echo "- Another." >>"$BATS_TEST_TMPDIR/other/.github/CHANGELOG.md"
  commit_all "$BATS_TEST_TMPDIR/other"
  git -C "$BATS_TEST_TMPDIR/other" tag --force "v$VERSION" >/dev/null
  refused "$REGISTRY/web-app:$VERSION exists, and nothing is overwritten; raise VERSION in build.sh" \
    "$BATS_TEST_TMPDIR/other" --to "$REGISTRY" --key "$BATS_FILE_TMPDIR/ours.key"
  assert_equal "$(puts | wc -l)" "$before"
  assert_equal "$(digest_of "$REGISTRY/web-app:$VERSION")" "$image"
}

@test "the same commit gives the same release, in whatever directory it is made" {
  local other=$BATS_TEST_TMPDIR/other
  cp -r "$BATS_FILE_TMPDIR/checkout" "$other"
  cp -r "$BATS_FILE_TMPDIR/checkout" "$other-2"
  release "$other"
  release "$other-2"
  run diff -r "$other/build/release" "$other-2/build/release"
  assert_success
  assert_output ""
  # What was pushed is that image too; only the chart knows to which registry.
  assert_equal "$(head -n 1 "$other/build/release/digests.txt" | cut -d @ -f 2)" "$(digest_of "$REGISTRY/web-app:$VERSION")"
}

@test "a release that failed before the tags leaves none, and can be repeated" {
  local checkout=$BATS_TEST_TMPDIR/checkout
  cp -r "$BATS_FILE_TMPDIR/checkout" "$checkout"
  # cosign fails at the last signature.
  rm "$checkout/build/tools"
  cp -rs "$(realpath "$BUILD/tools")" "$checkout/build/tools"
  rm "$checkout/build/tools/bin/cosign"
  printf '#!/bin/sh\ncase "$*" in *charts/web-app@*) exit 1 ;; esac\nexec %s "$@"\n' "$BUILD/tools/bin/cosign" >"$checkout/build/tools/bin/cosign"
  chmod +x "$checkout/build/tools/bin/cosign"
  run release "$checkout" --to "$REGISTRY/failed" --key "$BATS_FILE_TMPDIR/ours.key"
  assert_failure 1
  assert_line --partial "sign it failed with status 1"
  run manifest "$REGISTRY/failed/web-app:$VERSION"
  assert_failure
  ln -sf "$BUILD/tools/bin/cosign" "$checkout/build/tools/bin/cosign"
  release "$checkout" --to "$REGISTRY/failed" --key "$BATS_FILE_TMPDIR/ours.key"
  manifest "$REGISTRY/failed/charts/web-app:$VERSION"
}

# refused LINE CHECKOUT ARGUMENT...: the release is refused with this line alone, a regular expression.
refused() {
  run release "${@:2}"
  assert_failure 1 || return
  assert_equal "${#lines[@]}" 1 || return
  assert_regex "$output" "^build.sh: $1\$"
}

@test "wrong arguments, keys and registries give one line" {
  local checkout=$BATS_FILE_TMPDIR/checkout key=$BATS_FILE_TMPDIR/ours.key
  refused 'usage: ./build.sh release .--to REGISTRY. .--key KEY . --keyless.' "$checkout" --from
  refused '--to needs a value' "$checkout" --to
  refused '--key and --keyless exclude each other' "$checkout" --key "$key" --keyless
  refused 'nothing unsigned is pushed; give --key KEY, or --keyless in a workflow' "$checkout" --to "$REGISTRY/new"
  local registry
  for registry in owner https://registry.example.com/owner registry.example.com/Owner registry.example.com/ registry.example.com/owner:1.0; do
    refused "--to $registry is no registry; give its host and path in lower case, such as registry.example.com/owner" "$checkout" --to "$registry" --key "$key"
  done
  refused 'the key nowhere.key cannot be used: open nowhere.key: no such file or directory; .*' "$checkout" --key nowhere.key
  COSIGN_PASSWORD=wrong refused "the key $key cannot be used: .*decryption failed; cosign generate-key-pair makes one, COSIGN_PASSWORD has its password" \
    "$checkout" --key "$key"
  (unset COSIGN_PASSWORD && refused "COSIGN_PASSWORD is not set; it has the password of the key, or nothing" "$checkout" --key "$key")
  # Nothing listens on port 1.
  refused 'the registry does not say whether 127.0.0.1:1/web-app:[0-9.]* exists: .* connection refused' "$checkout" --to 127.0.0.1:1 --key "$key"
  SSL_CERT_DIR=/var/empty refused 'the registry does not say .*: x509: certificate signed by unknown authority' "$checkout" --to "$REGISTRY/new" --key "$key"
}

@test "a tree with changes, another tag, no tag, or a version that the chart or the changelog lacks gives one line" {
  local checkout=$BATS_TEST_TMPDIR/checkout to=(--to "$REGISTRY/new" --key "$BATS_FILE_TMPDIR/ours.key")
  cp -r "$BATS_FILE_TMPDIR/checkout" "$checkout"
  echo >"$checkout/app/new.c"
  refused 'a release is made from a commit, and app/new.c differs from it; commit it or remove it' "$checkout"
  rm "$checkout/app/new.c"
  git -C "$checkout" tag -d "v$VERSION"
  refused "this commit has no tag; what is pushed must have one: git tag v$VERSION" "$checkout" "${to[@]}"
  git -C "$checkout" tag v0.9.9
  refused "this commit has the tag v0.9.9, but VERSION in build.sh is $VERSION" "$checkout" "${to[@]}"
  refused "this commit has the tag v0.9.9, but VERSION in build.sh is $VERSION" "$checkout"
  sed -i 's/^readonly ROOT BUILD=.*VERSION=.*/readonly ROOT BUILD=$ROOT\/build VERSION=0.9.9/' "$checkout/build.sh"
  commit_all "$checkout"
  refused 'version in chart/Chart.yaml is not 0.9.9, which VERSION in build.sh is' "$checkout"
  sed -i 's/^\(version\|appVersion\): .*/\1: 0.9.9/' "$checkout/chart/Chart.yaml"
  commit_all "$checkout"
  refused '.github/CHANGELOG.md has no section "## 0.9.9" that says what changed; write it' "$checkout"
  printf '\n## 0.9.9\n\n## 0.9.8\n\n- Something.\n' >>"$checkout/.github/CHANGELOG.md"
  commit_all "$checkout"
  refused '.github/CHANGELOG.md has no section "## 0.9.9" that says what changed; write it' "$checkout"
  rm -rf "$checkout/.git"
  refused 'a release is made from a commit, and this is no git checkout; clone the project' "$checkout"
}

@test "a machine whose programs would be others than those of the pins gives one line" {
  # shellcheck disable=SC2016 # for the other shell
  local code='source "$0/build.sh"; source "$0/image/release.sh"; find_debian_mirror() { :; }; check_machine'
  run bash -c "$code" "$ROOT"
  assert_failure 1
  assert_output "build.sh: a release has Debian's C library, and apt names no mirror of Debian; use Debian 12, or a container of it"
  mkdir "$BATS_TEST_TMPDIR/bin"
  printf '#!/bin/sh\necho riscv64\n' >"$BATS_TEST_TMPDIR/bin/uname"
  chmod +x "$BATS_TEST_TMPDIR/bin/uname"
  PATH=$BATS_TEST_TMPDIR/bin:$PATH run bash -c "$code" "$ROOT"
  assert_failure 1
  assert_output "build.sh: a release is made on amd64, and this is riscv64; use an amd64 machine"
}

@test "the version is that of build.sh wherever a file repeats it" {
  local files=(README.md chart/README.md chart/Chart.yaml chart/ci)
  run grep -rnoE '(web-app:|charts/web-app:|--version |[vV]ersion: )[0-9]+\.[0-9]+\.[0-9]+|tags/v[0-9]+\.[0-9]+\.[0-9]+|tag: [0-9]+\.[0-9]+\.[0-9]+' "${files[@]/#/$ROOT/}"
  assert_success
  assert [ ${#lines[@]} -ge 10 ]
  assert_equal "$(grep -vE "[ v:]${VERSION//./\\.}\$" <<<"$output")" ""
}

@test "the workflow releases by the same command, on a tag, and is the one that README verifies" {
  local workflow
  workflow=$(grep -oE '\.github/workflows/[a-z]+\.yaml@refs/tags/v' "$ROOT/README.md")
  run yq '.on.push.tags[], (.jobs[].steps[] | select(.run == "*build.sh release*") | .run), .jobs.release.permissions.id-token' "$ROOT/${workflow%@*}"
  assert_line 'v*'
  assert_line './build.sh release --to "$registry" --keyless </dev/null'
  assert_line write
}

@test "docker runs the image out of the registry, by the command of README" {
  requires docker
  local name command
  name=web-app-test-$(printf '%04x%04x' $RANDOM $RANDOM)
  containers+=("$name") volumes+=("$name")
  command=$(readme_commands 'install by docker')
  # A name, a volume and a port of our own, and in the background.
  command=${command/--rm -p 8080:8080/--detach --name $name -p 127.0.0.1:0:8080}
  command=${command/web-app-data:/$name:}
  assert_regex "$command" "^docker run --detach --name $name -p 127.0.0.1:0:8080 -v $name:/data [^ ]*web-app:$VERSION\$"
  # Docker takes the loopback for a registry of its own machine, whatever its certificate.
  eval "$command"
  port=$(docker port "$name" 8080) port=${port##*:}
  try --max 100 --delay 0.1 -- get /readyz
  run visit
  assert_equal "$(jq .visit <<<"$output")" 1
  docker rm --force "$name" >/dev/null
  docker rmi "$REGISTRY/web-app:$VERSION" >/dev/null
}
