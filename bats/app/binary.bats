# The binary as a file: it needs nothing but the kernel, is hardened, small and reproducible.

load ../lib/common

# The environment may name other files, to see these tests fail.
BINARY=${BINARY:-$BUILD/web-app}
WITH_SYMBOLS=${WITH_SYMBOLS:-$BUILD/obj/web-app}

setup() { requires command:readelf; }

# assert_no READELF-OPTION PATTERN: readelf with this option shows no match of PATTERN.
assert_no() {
  run readelf --wide "$1" "$BINARY"
  assert_success
  refute_output --regexp "$2"
}

@test "it is a static, position-independent executable: no interpreter, no shared library" {
  run readelf --wide --file-header "$BINARY"
  assert_output --regexp 'Type: +DYN'
  run readelf --wide --dynamic "$BINARY"
  assert_output --regexp 'FLAGS_1.* PIE'
  assert_no --program-headers 'INTERP'
  assert_no --dynamic '\(NEEDED\)|\(RPATH\)|\(RUNPATH\)|TEXTREL'
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
  run readelf --wide --program-headers "$BINARY"
  assert_output --regexp 'GNU_STACK .* RW  '
  assert_output --regexp 'GNU_RELRO'
  refute_output --regexp ' RWE '
  run readelf --wide --dynamic "$BINARY"
  assert_output --regexp 'FLAGS.*(BIND_NOW|NOW)'
  # The program protects its relocations itself, so this must be checked while it runs.
  WEB_APP=$BINARY start_web_app
  run grep -F "$BINARY" "/proc/$pid/maps"
  assert_line --regexp ' r--p '
  refute_line --regexp ' .wxp '
}

@test "the stack of its functions is guarded" {
  # Counted in the program with symbols. musl's own guarded functions must not count as ours.
  requires command:nm command:objdump
  local musl guarded
  musl=$(bash -euo pipefail -c 'source "$1/build.sh"; musl_of "$MACHINE" lib' musl_of "$ROOT")/libc.a
  guarded=$(objdump -d "$WITH_SYMBOLS" |
    awk '/^[0-9a-f]+ <.*>:$/ { name = $2; gsub(/^<|[.>].*/, "", name) } /call.*<__stack_chk_fail>/ { print name }' | sort -u |
    comm -23 - <(nm "$musl" 2>/dev/null | awk 'NF == 3 { print $3 }' | sort -u) | wc -l)
  [ "$guarded" -ge 30 ] || fail "only $guarded functions call the guard"
}

@test "it is stripped, and small" {
  run readelf --wide --sections "$BINARY"
  refute_output --regexp '\.symtab|\.debug|\.note\.gnu\.build-id'
  local size
  size=$(stat -c %s "$BINARY")
  # 182,160 bytes with the gcc 12 of Debian 12: the file grows by whole pages of 4096 bytes.
  [ "$size" -le 182272 ] || fail "$size bytes"
  # The claims of its assertions are not in it, only their files.
  run strings "$BINARY"
  assert_line --partial visit_log.c
  refute_output --partial LOG_CLOSED
}

@test "it names itself in the ELF note .note.package" {
  run readelf --wide --notes "$BINARY"
  assert_line --regexp "Packaging Metadata: .*\"name\":\"web-app\",\"version\":\"$(version)\""
}

@test "no path of the machine that built it is in it" {
  run grep -acF "$ROOT" "$BINARY"
  assert_output 0
}

@test "the same sources give the same bytes in another directory" {
  local other=$BATS_TEST_TMPDIR/another/place
  mkdir -p "$other/build"
  cp -r "$ROOT/build.sh" "$ROOT/app" "$ROOT/third_party" "$ROOT/image" "$other/"
  cp -r "$BUILD/civetweb" "$other/build/"
  mkdir "$other/build/tools"
  ! ls -d "$BUILD"/tools/musl-* || cp -r "$BUILD"/tools/musl-* "$other/build/tools/"
  run "$other/build.sh" app
  assert_success
  cmp "$other/build/web-app" "$BINARY"
}
