# What third_party/ fetches, and from where, with stubs in place of apt, dpkg-deb and the compilers: on Debian, on Ubuntu, where
# apt knows no mirror of Debian, and on a machine without apt.
# shellcheck disable=SC2016 # the code in quotes is for the driver

load ../lib/common

setup() {
  STUBS=$BATS_TEST_TMPDIR/stubs CALLS=$BATS_TEST_TMPDIR/calls TREE=$BATS_TEST_TMPDIR/web-app
  mkdir -p "$STUBS" "$TREE"
  : >"$CALLS"
  cp -r "$ROOT/build.sh" "$ROOT/app" "$ROOT/third_party" "$TREE"
  local tool
  for tool in awk basename bash cat cmp cp cut dirname env flock grep head id mkdir mktemp mv realpath rm sed sha256sum sort tail tr; do
    ln -s "$(type -P $tool)" "$STUBS/$tool"
  done
  stub uname <<<'echo x86_64'
  stub gcc <<<'echo 13.2.0'
  stub ld <<<'echo "GNU ld (GNU Binutils for Ubuntu) 2.42"'
  stub dpkg-query <<<'echo "ii "'
  stub dpkg-deb <<<'case $1 in
    -f) name=${2##*/} && name=${name%.deb} && case $3 in Package) echo "${name%%_*}" ;; Version) name=${name#*_} && echo "${name%_*}" ;; esac ;;
    esac'
}

# stub NAME: puts a command on PATH that records its arguments and then runs the script on standard input.
stub() {
  {
    printf '#!/bin/bash\necho "%s $*" >>"$CALLS"\n' "$1"
    cat
  } >"$STUBS/$1"
  chmod +x "$STUBS/$1"
}

# ubuntu DEB...: an apt that knows no mirror of Debian, and downloads these files.
ubuntu() {
  stub apt-get <<END
case \$1 in
  update) echo "'http://archive.example/ubuntu/dists/noble/main/binary-amd64/Packages.xz' packages 0" ;;
  -q) [ \$2 != download ] || for deb in $*; do : >"\$deb"; done ;;
esac
END
}

# decide CODE: runs CODE with build.sh sourced, and only the stubs and plain tools on PATH.
decide() {
  run env -i PATH="$STUBS" CALLS="$CALLS" HOME="$BATS_TEST_TMPDIR" bash -euo pipefail -c "source '$TREE/build.sh'; $1" </dev/null
}

assert_called() { grep -qE -- "$1" "$CALLS" || fail "nothing called $1; the calls were: $(cat "$CALLS")"; }
refute_called() { ! grep -E -- "$1" "$CALLS" || fail "$1 was called"; }

# assert_one_line REGEX: it fails, and its last line is the error and its remedy.
assert_one_line() {
  assert_failure 1
  assert_regex "${lines[-1]}" "^build.sh: .*failed|^build.sh: $1"
  assert_line --regexp "^build.sh: $1"
}

@test "on Ubuntu the tests' tools are Ubuntu's own, unpacked and not installed" {
  ubuntu bats_1.10.0-1_all.deb bats-assert_2.1.0-3_all.deb bats-file_0.4.0-1_all.deb bats-support_0.3.0-4_all.deb
  decide 'fetch_bats && fetch_bats'
  assert_success
  assert_called '^apt-get -q download bats bats-support bats-assert bats-file$'
  assert_called '^dpkg-deb -x .*/bats_1.10.0-1_all.deb '
  assert_equal "$(grep -c download "$CALLS")" 1
  refute_called 'install|sources.list'
}

@test "a tool of Ubuntu that is too old gives one line with its name and both versions" {
  ubuntu bats_1.2.1-1_all.deb bats-assert_2.1.0-3_all.deb
  decide 'fetch_bats'
  assert_one_line 'bats 1\.2\.1-1 of this distribution is too old, 1\.8 is needed; use a newer release of it, or Debian'
  refute_called 'dpkg-deb -x .*/bats_'
}

@test "each tool that is fetched from Debian has a lowest version for other distributions" {
  local package
  for package in $(sed -nE 's/^fetch_[a-z]+\(\) \{ debian_tool [a-z]+ [a-z]+ (.*); \}/\1/p' "$ROOT/third_party/debian.sh"); do
    decide "[ \"\${LEAST[$package]}\" ]"
    assert_success
  done
}

@test "on Ubuntu this machine's C library is Ubuntu's own, and another architecture's gives one line" {
  ubuntu
  decide 'need_compiler amd64; musl_of amd64 lib'
  assert_success
  assert_output /usr/lib/x86_64-linux-musl
  assert_called '^dpkg-query .* musl-dev$'
  refute_called 'apt-helper|curl'
  stub aarch64-linux-gnu-gcc <<<'echo 13.2.0'
  stub aarch64-linux-gnu-ld <<<'echo "GNU ld 2.42"'
  decide 'need_compiler arm64'
  assert_one_line 'apt names no mirror of Debian, which has the C library for arm64; see .The image on any machine. in README\.md'
}

@test "a compiler or a linker that is too old gives one line" {
  ubuntu
  stub gcc <<<'echo 11.4.0'
  decide 'need_compiler amd64'
  assert_one_line 'gcc 11\.4\.0 is too old, 12 is needed; use a newer release, or docker build: see README\.md'
  stub gcc <<<'echo 12.2.0'
  stub ld <<<'echo "GNU ld (GNU Binutils for Ubuntu) 2.38"'
  decide 'need_compiler amd64'
  assert_one_line 'binutils 2\.38 is too old, 2\.39 is needed'
}

@test "on Debian the pinned packages are fetched, and no others" {
  # Repositories for Debian are no mirrors of it.
  stub apt-get <<'END'
[ "$*" != "update --print-uris" ] || printf "'https://%s/binary-amd64/Packages.xz' packages 0\n" \
  docker.example/linux/debian/dists/bookworm/stable jelly.example/debian/dists/bookworm/main \
  mirror.example/debian/dists/bookworm/main mirror.example/debian/dists/bookworm-updates/main
END
  decide 'find_debian_mirror'
  assert_output https://mirror.example/debian/
  decide 'debian_suite() { :; }; debian_apt() { echo "debian_apt $*" >>"$CALLS"; }; fetch_bats'
  assert_called '^debian_apt trixie download bats bats-support bats-assert bats-file$'
  # Nothing was downloaded, so the pins do not match.
  assert_one_line 'bats_1\.11\.1-1_all\.deb does not match third_party/debian/bats\.sha256'
}

@test "a machine without apt gives one line that names the way without it" {
  decide 'cmd_app'
  assert_one_line 'this machine has no apt; build\.sh is for Debian and Ubuntu\. Elsewhere docker build makes the image: see README\.md'
}
