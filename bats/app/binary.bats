# The binary of each architecture as a file: it needs nothing but the kernel, is hardened, small and reproducible.

load ../lib/common

# The environment may name other files, to see these tests fail.
BINARY=${BINARY:-$BUILD/web-app}
WITH_SYMBOLS=${WITH_SYMBOLS:-$BUILD/obj/web-app}

setup() { requires command:readelf; }

# in_build FUNCTION ARG...: runs a function of build.sh.
in_build() { bash -euo pipefail -c 'source "$1/build.sh"; shift; "$@"' in_build "$ROOT" "$@"; }

# each CHECK: runs CHECK with $arch, $binary and $with_symbols of this machine's program, and of arm64's if it was compiled.
each() {
  local arch binary=$BINARY with_symbols=$WITH_SYMBOLS
  arch=$(in_build eval 'echo "$MACHINE"')
  "$@" || fail "on $arch" || return
  [ -e "$BUILD/arm64/web-app" ] || return 0
  arch=arm64 binary=$BUILD/arm64/web-app with_symbols=$BUILD/arm64/obj/web-app
  "$@" || fail "on $arch"
}

# assert_no READELF-OPTION PATTERN: readelf with this option shows no match of PATTERN.
assert_no() {
  run readelf --wide "$1" "$binary"
  assert_success || return
  refute_output --regexp "$2"
}

@test "it is a static, position-independent executable: no interpreter, no shared library" {
  static() {
    run readelf --wide --file-header "$binary"
    assert_output --regexp 'Type: +DYN' || return
    run readelf --wide --dynamic "$binary"
    assert_output --regexp 'FLAGS_1.* PIE' || return
    assert_no --program-headers 'INTERP' || return
    assert_no --dynamic '\(NEEDED\)|\(RPATH\)|\(RUNPATH\)|TEXTREL'
  }
  each static
  # Therefore it is loaded at another address in each run.
  base_of_a_run() {
    start_web_app
    sed -n '1s/-.*//p' "/proc/$pid/maps"
    stop_started
  }
  local bases
  bases=$(for _ in 1 2 3 4; do base_of_a_run; done | sort -u | wc -l)
  [ "$bases" -gt 1 ] || fail "it is always loaded at the same address"
}

@test "its stack is not executable, no memory is both writable and executable, and relocations are read-only" {
  protected() {
    run readelf --wide --program-headers "$binary"
    assert_output --regexp 'GNU_STACK .* RW  ' || return
    assert_output --regexp 'GNU_RELRO' || return
    refute_output --regexp ' RWE ' || return
    run readelf --wide --dynamic "$binary"
    assert_output --regexp 'FLAGS.*(BIND_NOW|NOW)'
  }
  each protected
  # The program protects its relocations itself, so this must be checked while it runs.
  WEB_APP=$BINARY start_web_app
  run grep -F "$BINARY" "/proc/$pid/maps"
  assert_line --regexp ' r--p '
  refute_line --regexp ' .wxp '
}

@test "the stack of its functions is guarded" {
  # Counted in the program with symbols. musl's own guarded functions must not count as ours.
  requires command:nm command:objdump
  guarded() {
    local musl count
    musl=$(in_build musl_of "$arch" lib)/libc.a
    count=$("$(in_build tool_of "$arch" objdump)" -d "$with_symbols" |
      awk '/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/^<|[.>].*/, "", name) } /(call|\tbl).*<__stack_chk_fail>/ { print name }' | sort -u |
      comm -23 - <(nm "$musl" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u) | wc -l)
    [ "$count" -ge 30 ] || fail "only $count functions call the guard"
  }
  each guarded
}

@test "it is stripped, and small" {
  small() {
    # 215,184 bytes with the gcc 12 of Debian 12: the file grows by whole pages of 4096 bytes. On arm64 264,384, of which
    # many are zeros: there a page may have 64 KB, and what is protected ends with one.
    local size bound=215552
    [ "$arch" != arm64 ] || bound=266240
    run readelf --wide --sections "$binary"
    refute_output --regexp '\.symtab|\.debug|\.note\.gnu\.build-id' || return
    size=$(stat -c %s "$binary")
    [ "$size" -le "$bound" ] || fail "$size bytes" || return
    # The claims of its assertions are not in it, only their files.
    run strings "$binary"
    assert_line --partial visit_log.c || return
    refute_output --partial LOG_CLOSED
  }
  each small
}

@test "it names itself, its version and its architecture in the ELF note .note.package" {
  named() {
    run readelf --wide --notes "$binary"
    assert_line --partial "Packaging Metadata: {\"type\":\"generic\",\"name\":\"web-app\",\"version\":\"$(version)\",\"architecture\":\"$arch\"}"
  }
  each named
}

@test "no path of the machine that built it is in it" {
  without_path() {
    run grep -acF "$ROOT" "$binary"
    assert_output 0
  }
  each without_path
}

@test "the same sources give the same bytes in another directory" {
  local other=$BATS_TEST_TMPDIR/another/place
  mkdir -p "$other/build"
  cp -r "$ROOT/build.sh" "$ROOT/app" "$ROOT/third_party" "$ROOT/image" "$other/"
  cp -r "$BUILD/civetweb" "$other/build/"
  mkdir "$other/build/tools"
  ! compgen -G "$BUILD/tools/musl-*" >/dev/null || cp -r "$BUILD"/tools/musl-* "$other/build/tools/"
  run "$other/build.sh" app
  assert_success
  cmp "$other/build/web-app" "$BINARY"
}
