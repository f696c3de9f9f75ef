# Fetches files from a Debian suite that this machine's apt may not know, without changing the system: with
# lists and a cache of its own below build/, from the mirror that the machine already uses. Where apt knows no mirror of
# Debian, as on Ubuntu, the files are the distribution's own, if they are new enough.
# Sourced by build.sh. No download is trusted until `verify` has checked its hash, or apt the distribution's signature.
# shellcheck shell=bash

# bats-core 1.11.1 and its libraries: the same on any Debian release.
# shellcheck disable=SC2034 # used by bats/run.sh
readonly BATS=$BUILD/tools/bats
fetch_bats() { debian_tool bats trixie bats bats-support bats-assert bats-file; }

# Trixie's slowhttptest also runs on bookworm: its libraries, libssl.so.3 and libstdc++, come with curl and gcc.
fetch_slowhttptest() { debian_tool slowhttptest trixie slowhttptest; }

# Not installed into the system: Debian's package would start a server on port 9090.
fetch_prometheus() { debian_tool prometheus bookworm prometheus; }

fetch_busybox() { debian_tool busybox bookworm busybox-static; }

# fetch_musl ARCH: the C library of a program for that architecture. It is bookworm's on any Debian release, so that the
# program is the same. Where apt knows no mirror of Debian, as on Ubuntu, it is the distribution's, for this machine alone.
fetch_musl() {
  if [ -n "$(find_debian_mirror)" ]; then
    debian_tool "musl-$1" pool/main/m/musl
  elif [ "$1" = "$MACHINE" ]; then
    need musl
  else
    die "apt names no mirror of Debian, which has the C library for $1; see 'The image on any machine' in README.md"
  fi
}

# musl_of ARCH include|lib: prints the directory of its headers, or of its libraries.
musl_of() {
  local unpacked=$BUILD/tools/musl-$1
  [ -d "$unpacked" ] || unpacked=
  echo "$unpacked/usr/$2/${TRIPLETS[$1]%-gnu}-musl"
}

# The lowest versions that suit: bats 1.8 is the first with tags and time limits, bats-assert 2.1 with assert_regex.
declare -rA LEAST=([bats]=1.8 ["bats-support"]=0.3 ["bats-assert"]=2.1 ["bats-file"]=0.3 [slowhttptest]=1.8
  [prometheus]=2.31 ["busybox-static"]=1.30)

# debian_tool NAME SUITE PACKAGE...: unpacks the packages into build/tools/NAME, once they match
# third_party/debian/NAME.sha256. Nothing is installed into the system. `debian_tool NAME pool/DIRECTORY` takes the
# manifest's files out of that directory of the mirror, of whatever suite and architecture they are.
debian_tool() {
  local manifest=$ROOT/third_party/debian/$1.sha256 unpacked=$BUILD/tools/$1/.manifest
  if [ -z "$(find_debian_mirror)" ]; then
    distribution_tool "$1" "${@:3}"
    return
  fi
  ! cmp -s "$manifest" "$unpacked" || return 0
  mkdir -p "$BUILD/cache"
  (
    # Two runs at once must not fetch the same tool twice.
    flock 9
    ! cmp -s "$manifest" "$unpacked" || exit 0
    step "fetch $1 from Debian's $2" unpack_debian_tool "$manifest" "$@"
    cp "$manifest" "$unpacked"
  ) 9>"$BUILD/cache/$1.lock"
}

# distribution_tool NAME PACKAGE...: unpacks the distribution's packages into build/tools/NAME, unless they are too old.
distribution_tool() {
  [ "$(cat "$BUILD/tools/$1/.manifest" 2>/dev/null)" != distribution ] || return 0
  mkdir -p "$BUILD/cache"
  (
    flock 9
    [ "$(cat "$BUILD/tools/$1/.manifest" 2>/dev/null)" != distribution ] || exit 0
    step "fetch $1 from this distribution" unpack_distribution_tool "$@"
    echo distribution >"$BUILD/tools/$1/.manifest"
  ) 9>"$BUILD/cache/$1.lock"
}

unpack_distribution_tool() {
  local directory=$BUILD/tools/$1 download=$BUILD/cache/$1 deb package version
  shift
  rm -rf "$directory" "$download" && mkdir -p "$directory" "$download"
  (cd "$download" && apt-get -q download "$@")
  for deb in "$download"/*.deb; do
    package=$(dpkg-deb -f "$deb" Package)
    version=$(dpkg-deb -f "$deb" Version)
    version=${version#*:}
    at_least "$version" "${LEAST[$package]}" ||
      die "$package $version of this distribution is too old, ${LEAST[$package]} is needed; use a newer release of it, or Debian"
    dpkg-deb -x "$deb" "$directory"
  done
}

# at_least VERSION LEAST: the version is LEAST or newer.
at_least() { [ "$(printf '%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

unpack_debian_tool() {
  local manifest=$1 directory=$BUILD/tools/$2 download=$BUILD/cache/$2 suite=$3 deb files
  shift 3
  rm -rf "$directory" "$download" && mkdir -p "$directory"
  if [[ $suite = pool/* ]]; then
    mapfile -t files < <(cut -d ' ' -f 3 "$manifest")
    debian_pool "$suite" "$download" "${files[@]}"
  else
    debian_deb "$suite" "$download" "$@"
  fi
  verify "$manifest" "$download"
  for deb in "$download"/*.deb; do dpkg-deb -x "$deb" "$directory"; done
}

# debian_apt SUITE ARG...: apt-get with that suite alone.
debian_apt() {
  local suite=$1 dir=$BUILD/cache/apt-$1 option
  shift
  local options=()
  for option in Dir::Etc::sourcelist="$dir/sources.list" Dir::Etc::sourceparts=/dev/null \
    Dir::State::lists="$dir/lists" Dir::Cache="$dir/cache" APT::Sandbox::User=root \
    Acquire::Languages=none Acquire::Retries=3; do
    options+=(-o "$option")
  done
  flock "$dir.lock" apt-get -q "${options[@]}" "$@"
}

# find_debian_mirror: prints the Debian mirror that this machine's apt uses, or nothing. This apt-get(8) only prints addresses,
# and reads no list of packages, which would take a second. Other repositories end in /debian/ too: few have the component
# main, and hardly one has updates.
find_debian_mirror() {
  apt-get update --print-uris | sed -nE "s|^'(.*/debian/)dists/([^/]+)/main/.*|\1 \2|p" | sort -u |
    awk '!mirror { mirror = $1 } $2 ~ /-updates$/ { mirror = $1; exit } END { if (mirror) print mirror }' || true
}

# debian_mirror: the same, or dies.
debian_mirror() {
  local mirror
  mirror=$(find_debian_mirror)
  [ -n "$mirror" ] || die "apt names no mirror of Debian; add one to /etc/apt/sources.list"
  echo "$mirror"
}

# debian_suite SUITE: fetches the suite's package lists, once per build directory.
debian_suite() {
  local suite=$1 dir=$BUILD/cache/apt-$1 mirror
  [ ! -e "$dir/updated" ] || return 0
  mirror=$(debian_mirror) || return
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$dir/sources.list"
  debian_apt "$suite" -o APT::Update::Error-Mode=any update && touch "$dir/updated"
}

# debian_deb SUITE DIRECTORY PACKAGE...: downloads the .deb files into DIRECTORY.
debian_deb() {
  local suite=$1 directory=$2
  shift 2
  debian_suite "$suite" && mkdir -p "$directory" && (cd "$directory" && debian_apt "$suite" download "$@")
}

# debian_pool POOL DIRECTORY FILE...: downloads the files from that directory of the mirror into DIRECTORY, by apt's helper,
# which knows the proxies and transports that apt was told of.
debian_pool() {
  local pool=$1 directory=$2 mirror file
  shift 2
  mirror=$(debian_mirror) || return
  mkdir -p "$directory"
  for file in "$@"; do
    /usr/lib/apt/apt-helper -o APT::Sandbox::User=root -o Acquire::Retries=3 \
      download-file "${mirror%/}/$pool/$file" "$directory/$file" || return
  done
}

# verify MANIFEST DIRECTORY: dies, and names the first wrong file, unless each file of the manifest is in
# DIRECTORY with its SHA-256.
verify() {
  local manifest=$1 directory=$2 bad
  if bad=$(cd "$directory" && sha256sum --check --quiet "$manifest" 2>/dev/null | sed 's/: FAILED.*//'); then
    return
  fi
  bad=${bad%%$'\n'*}
  die "${bad:-$manifest} does not match $(realpath --relative-to="$ROOT" "$manifest"); delete $(realpath --relative-to="$ROOT" "$directory") and try again, or check where it came from"
}
