# The software bill of materials of each architecture's image, beside the program and in the image.

load ../lib/common

setup_file() {
  requires command:spdx
  # SBOM_ARCHITECTURES: those that ./build.sh image has made.
  export SBOM_ARCHITECTURES
  SBOM_ARCHITECTURES=$(basename -a "$BUILD"/image/root-* | sed 's/^root-//')
  [ -n "$SBOM_ARCHITECTURES" ] || fail "there is no image; make it with ./build.sh image"
}

# each CHECK: runs CHECK with $arch, $program, $bill and $root of each architecture.
each() {
  local arch program bill root
  for arch in $SBOM_ARCHITECTURES; do
    program=$(in_build program_of "$arch") || return
    bill=$program.spdx.json root=$BUILD/image/root-$arch
    "$@" || fail "on $arch" || return
  done
}

# in_build FUNCTION ARG...: runs a function of build.sh.
in_build() { bash -euo pipefail -c 'source "$1/build.sh"; shift; "$@"' in_build "$ROOT" "$@"; }

# owners: reads paths, and prints the part of the bill that each belongs to. A path of none is printed as it is.
owners() {
  sed -E "s|^$ROOT/app/.*|web-app|; s|^$BUILD/(.*/)?obj/.*|web-app|; s|^.*/cc[^/]*\.ltrans.*|web-app|; s|^$BUILD/civetweb/.*|civetweb|
    s|^($BUILD/tools/musl-$arch)?/usr/(lib\|include)/[^/]*-linux-musl/.*|musl|; s|^/usr/lib/gcc(-cross)?/.*|libgcc|
    s|^usr/local/bin/web-app\$|web-app|; s|^usr/share/zoneinfo/.*|tzdata|; /^linker stubs$/d; /^usr\/share\/sbom\/web-app.spdx.json\$/d" | sort -u
}

# used: prints the paths of all that was compiled or linked into the program, and all files of the image.
used() {
  cat "$(dirname "$program")"/obj/*.d | tr -d '\\' | tr ' ' '\n' | grep -v '\.o:$'
  sed -n 's/^LOAD //p' "$(dirname "$program")/obj/web-app.map"
  (cd "$root" && find . ! -type d -printf '%P\n')
}

has_those_used() {
  used | sed '/^$/d' | owners >"$BATS_TEST_TMPDIR/used"
  assert_equal "$(jq -r '.packages[].name' "$bill" | sort)" "$(cat "$BATS_TEST_TMPDIR/used")"
}

@test "its parts are those that were compiled, linked or put into the image, and no others" { each has_those_used; }

@test "control: a part too many, and one too few, are found out" {
  one_wrong() {
    jq "$1" "$bill" >"$BATS_TEST_TMPDIR/wrong"
    bill=$BATS_TEST_TMPDIR/wrong
    run has_those_used
    assert_failure
  }
  each one_wrong '.packages += [{name: "openssl"}]'
  each one_wrong 'del(.packages[] | select(.name == "musl"))'
}

@test "it has the hash of each pin of these parts, of the program itself, and no others" {
  hashes() {
    assert_equal "$(jq -r '.. | .checksums? // empty | .[] | select(.algorithm == "SHA256").checksumValue' "$bill" | sort)" \
      "$({
        sha256sum "$program"
        cat "$ROOT"/third_party/{civetweb/manifest,tzdata/tzdata}.sha256
        # Where the C library is the distribution's, it has no pin.
        [ ! -d "$BUILD/tools/musl-$arch" ] || cat "$ROOT/third_party/debian/musl-$arch.sha256"
      } | cut -d ' ' -f 1 | sort)"
  }
  each hashes
}

@test "each part has its version, licence and origin; those of README's table of outside parts" {
  described() {
    local name version licence
    while IFS=$'\t' read -r name version licence; do
      run jq -r --arg name "$name" '.packages[] | select(.name == $name) | "\(.versionInfo)\t\(.licenseDeclared)"' "$bill"
      assert_output --regexp "^${version//./\\.}(-[0-9]+)?"$'\t'"$licence\$" || return
    done < <(sed -nE 's/^\| (civetweb|musl) \| ([^|]*) \| [^|]* \| ([^|]*) \|.*/\1\t\2\t\3/p
      s/^\| IANA time zones \| ([^|]*) \|.*/tzdata\t\1\tLicenseRef-tzdata/p' "$ROOT/third_party/README.md")
    assert_equal "$(jq -r '.packages[] | select(.name == "web-app").versionInfo' "$bill")" "$(version)"
    assert_equal "$(jq -r '[.packages[] | select(.downloadLocation != "NOASSERTION" or .externalRefs != null).name] | join(" ")' "$bill")" \
      "civetweb musl tzdata"
  }
  each described
}

@test "the image holds it, as it lies beside the program" {
  same() { cmp "$bill" "$root/usr/share/sbom/web-app.spdx.json"; }
  each same
}

@test "a validator accepts it" {
  accepted() {
    run spdx "$bill"
    assert_success
    assert_output ''
  }
  each accepted
}

@test "control: the validator refuses an unknown field, licence, identifier or algorithm, and a missing or wrong value" {
  local change complaint
  while IFS='|' read -r change complaint; do
    jq "$change" "$BUILD/web-app.spdx.json" >"$BATS_TEST_TMPDIR/wrong"
    run spdx "$BATS_TEST_TMPDIR/wrong"
    assert_failure 1
    assert_output --partial "$complaint"
  done <<'END'
.packages[0].nonsense = 1|a field is not one of SPDX 2.3
.packages[0].licenseDeclared = "Nonsense-9"|web-app has a licence that SPDX does not know: "Nonsense-9"
.relationships[1].relatedSpdxElement = "SPDXRef-nobody"|nobody used in relationship
.packages[2].checksums[0].algorithm = "CRC"|musl has a wrong checksum
.files[0].checksums[0].checksumValue = "00"|./src/civetweb.c has a wrong checksum
.packages[1].packageVerificationCode.packageVerificationCodeValue = "00"|the verification code of civetweb should be
del(.packages[1].downloadLocation)|civetweb has no name or no origin
del(.relationships[0])|it describes no package
del(.creationInfo.creators)|it has no creator
.documentNamespace = "here"|its namespace is no URI
END
}
