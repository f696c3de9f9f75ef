# The Debian packages that each job needs, and for what. Sourced by build.sh.
# shellcheck shell=bash

declare -A PACKAGES=(
  # compiler, tools that read the finished binary, downloads
  [app]="gcc libc6-dev binutils curl ca-certificates xz-utils tzdata debian-archive-keyring"
  # the C library where Debian's cannot be fetched
  [musl]="musl-dev"
  # compilers of programs for another architecture
  [cross_amd64]="gcc-x86-64-linux-gnu"
  [cross_arm64]="gcc-aarch64-linux-gnu"
  # runs programs of another architecture
  [emulation]="qemu-user-static"
  # the unit tests' and fuzz targets' sanitizers
  [unit]="gcc clang libclang-rt-dev llvm"
  [lint]="clang shellcheck shfmt clang-format cppcheck jq"
  # the engine and its client
  [image]="docker.io"
  # to write an OCI image layout
  [layout]="jq git"
  # to push an OCI image layout
  [release]="skopeo jq git"
  # for the tests' registry, its certificate
  [registry]="openssl"
  # the engine whose containers are a cluster's nodes
  [cluster]="docker.io jq"
  # to build a node image
  [node]="mmdebstrap debian-archive-keyring"
  # for the bats files
  [test]="musl-tools parallel patch jq curl strace procps psmisc iproute2 util-linux python3 wrk netcat-openbsd faketime"
  # the pages as a person sees them, and a font to see them in
  [browser]="chromium fonts-dejavu-core"
  # power loss, full pools and shares: file systems on loop devices, and in user space
  [power]="xfsprogs e2fsprogs btrfs-progs mount bindfs gcc libfuse3-dev"
  [chart]="jq"
  # for the end-to-end tests
  [e2e]="jq curl python3 iproute2"
  # servers to compare with, and load, for `build.sh bench`
  [bench]="wrk nginx-light lighttpd gunicorn python3-flask fio strace curl jq python3"
)

# need GROUP...: installs the missing packages of the groups. Without root or sudo it dies with the command to run.
need() {
  command -v apt-get >/dev/null ||
    die "this machine has no apt; build.sh is for Debian and Ubuntu. Elsewhere docker build makes the image: see README.md"
  local group package missing=()
  for group in "$@"; do
    for package in ${PACKAGES[$group]:?unknown package group $group}; do
      dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^ii' || missing+=("$package")
    done
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  # Docker need not come from Debian's package.
  if command -v docker >/dev/null; then
    mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx docker.io)
    [ ${#missing[@]} -gt 0 ] || return 0
  fi
  local root=()
  [ "$(id -u)" = 0 ] || root=(sudo -n)
  if [ ${#root[@]} -gt 0 ] && ! sudo -n true 2>/dev/null; then
    die "these packages are missing; install them and try again: sudo apt-get install ${missing[*]}"
  fi
  step "install packages: ${missing[*]}" install_packages "${missing[@]}"
}

# need_browser: installs Debian's Chromium, unless there is a browser that the tests know. Ubuntu has none in a package.
need_browser() {
  if command -v chromium google-chrome >/dev/null || [ -z "$(find_debian_mirror)" ]; then
    return
  fi
  need browser
}

install_packages() {
  "${root[@]}" apt-get -q update
  "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qy install --no-install-recommends "$@"
}
