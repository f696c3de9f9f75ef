# How the program is compiled. Sourced by build.sh.
# shellcheck shell=bash

# civetweb without the parts that are not used; see third_party/README.md.
readonly CIVETWEB_DEFINES=(
  -DNO_SSL -DNO_CGI -DNO_POPEN -DNO_FILES -DNO_CACHING -DNO_NONCE_CHECK -DNO_FILESYSTEMS
  -DUSE_IPV6 -DREENTRANT_TIME -DUSE_STACK_SIZE=131072 -DSOCKET_TIMEOUT_QUANTUM=100 "-DBUILD_DATE=\"\""
  -DMG_EXTERNAL_FUNCTION_mg_cry_internal_impl -DMG_EXTERNAL_FUNCTION_log_access
)
# They do not apply to civetweb.c, which is included as a system header. `build.sh lint` turns them into errors.
# Here they stay warnings, so that a newer compiler with new warnings can still build.
readonly WARNINGS=(
  -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wundef -Wvla -Wcast-align -Wwrite-strings
  -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough
)
readonly INCLUDES=(-isystem "$CIVETWEB/include" -isystem "$CIVETWEB/src" -I "$ROOT/app/http/civetweb_hooks" -I "$ROOT/app")
# The directories of the program; bats/lint.sh checks which of them may include which. See app/README.md.
readonly DIRECTORIES=(base log http site prove)
APP_SOURCES=("$ROOT"/app/*.c) APP_HEADERS=("$ROOT"/app/*.h)
for directory in "${DIRECTORIES[@]}"; do
  APP_SOURCES+=("$ROOT/app/$directory"/*.c) APP_HEADERS+=("$ROOT/app/$directory"/*.h)
done
readonly APP_SOURCES APP_HEADERS
readonly COMPILE=(
  -std=gnu11 -D_GNU_SOURCE "-DWEB_APP_VERSION=\"$VERSION\"" "${CIVETWEB_DEFINES[@]}" "${INCLUDES[@]}"
  "${WARNINGS[@]}"
)
readonly HARDEN=(
  -fPIE -fstack-protector-strong -fstack-clash-protection -ftrivial-auto-var-init=zero
  -fzero-call-used-regs=used-gpr -fvisibility=hidden -fno-asynchronous-unwind-tables
)

# The architectures that the program is compiled for, by Debian's names, and their compilers' prefixes.
declare -rA TRIPLETS=([amd64]=x86_64-linux-gnu [arm64]=aarch64-linux-gnu)
case $(uname -m) in
  x86_64) MACHINE=amd64 ;;
  aarch64) MACHINE=arm64 ;;
  *) MACHINE=$(uname -m) ;;
esac
readonly MACHINE

# parse_architectures [--arch ARCH]...: sets `architectures`; without an option it is this machine's own.
parse_architectures() {
  architectures=()
  while [ $# -gt 0 ]; do
    [ "$1" = --arch ] && [ $# -ge 2 ] || die "$1 is not an option; give --arch amd64 or --arch arm64"
    known architecture "$2" "${!TRIPLETS[@]}"
    [[ " ${architectures[*]} " = *" $2 "* ]] || architectures+=("$2")
    shift 2
  done
  [ ${#architectures[@]} -gt 0 ] || {
    known architecture "$MACHINE" "${!TRIPLETS[@]}"
    architectures=("$MACHINE")
  }
}

# need_compiler ARCH: installs its compiler, and fetches its C library. gcc 12 is the first that can initialize variables,
# and ld 2.39 the first that can write the note of a package.
need_compiler() {
  local gcc ld
  [ "$1" = "$MACHINE" ] || need "cross_$1"
  gcc=$("$(tool_of "$1" gcc)" -dumpfullversion)
  at_least "$gcc" 12 || die "gcc $gcc is too old, 12 is needed; use a newer release, or docker build: see README.md"
  ld=$("$(tool_of "$1" ld)" --version | sed -n '1s/.* //p')
  at_least "$ld" 2.39 || die "binutils $ld is too old, 2.39 is needed; use a newer release, or docker build: see README.md"
  fetch_musl "$1"
}

# program_of ARCH: prints the path of its program: build/web-app for this machine, build/ARCH/web-app for another.
program_of() {
  if [ "$1" = "$MACHINE" ]; then echo "$BUILD/web-app"; else echo "$BUILD/$1/web-app"; fi
}

# tool_of ARCH TOOL: prints the name of the compiler or binary utility for that architecture.
tool_of() {
  if [ "$1" = "$MACHINE" ]; then echo "$2"; else echo "${TRIPLETS[$1]}-$2"; fi
}

# build_app ARCH: builds the program: static, position-independent and stripped. The build is reproducible: the same
# sources give the same bytes in any directory.
build_app() {
  local arch=$1 program gcc key
  program=$(program_of "$arch")
  gcc=$(tool_of "$arch" gcc)
  key=$(cat "${APP_SOURCES[@]}" "${APP_HEADERS[@]}" "$ROOT"/app/build.sh "$ROOT"/app/http/civetweb_hooks/* "$CIVETWEB/.verified" \
    "$(musl_of "$arch" lib)/libc.a" | sha256sum)-$VERSION-$("$gcc" -dumpfullversion)
  if [ -x "$program" ] && [ "$(cat "$program.key" 2>/dev/null)" = "$key" ]; then
    return
  fi
  step "compile web-app for $arch" link_app
  printf '%s' "$key" >"$program.key"
}

# The whole program is optimized as one unit, for size: its own code takes little time compared with its system calls.
# Only the scan of the whole file at the start is optimized for speed. There is no padding to a page between code and
# constants. The constants are then executable too, but there are fewer executable bytes in all.
readonly LTO=(-flto -flto-partition=one -Oz -fno-inline-small-functions -fno-jump-tables)
readonly FAST=(scan)

# package_metadata: prints what the ELF note .note.package says of the program, as systemd-coredump(8) and others read it.
package_metadata() { printf '{"type":"generic","name":"web-app","version":"%s","architecture":"%s"}' "$VERSION" "$arch"; }

# musl_headers ARCH: sets `headers` to the compiler's options for musl's headers. musl-gcc has no other architecture.
musl_headers() {
  headers=(-nostdinc -isystem "$(musl_of "$1" include)" -isystem "$("$(tool_of "$1" gcc)" -print-file-name=include)")
}

# link_static ARCH OUTPUT ARG...: links objects with musl. musl-gcc cannot link a static-pie: with that option it silently
# makes a dynamic program. So the start files are given here, in the order that the linker needs.
link_static() {
  local arch=$1 output=$2 gcc musl
  shift 2
  gcc=$(tool_of "$arch" gcc)
  musl=$(musl_of "$arch" lib)
  "$gcc" "${HARDEN[@]}" -static-pie -nostdlib -nostartfiles -Wl,--gc-sections \
    -Wl,-z,text,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code \
    -Wl,--no-dynamic-linker,--build-id=none,--hash-style=gnu -o "$output" \
    "$musl/rcrt1.o" "$musl/crti.o" "$("$gcc" -print-file-name=crtbeginS.o)" "$@" \
    -L "$musl" -Wl,--start-group "$musl/libc.a" "$("$gcc" -print-libgcc-file-name)" -Wl,--end-group \
    "$("$gcc" -print-file-name=crtendS.o)" "$musl/crtn.o"
}

# build/obj/web-app, for another architecture build/ARCH/obj/web-app, is the same program with its symbols.
link_app() {
  local headers obj source
  obj=$(dirname "$program")/obj
  mkdir -p "$obj"
  musl_headers "$arch"
  local objects=()
  for source in "${APP_SOURCES[@]}"; do
    local name optimize=("${LTO[@]}")
    name=$(basename "$source" .c)
    [[ " ${FAST[*]} " != *" $name "* ]] || optimize+=(-O3)
    "$gcc" "${headers[@]}" "${COMPILE[@]}" "${HARDEN[@]}" "${optimize[@]}" -g0 -ffunction-sections -fdata-sections \
      -ffile-prefix-map="$ROOT"=. -MD -c -o "$obj/$name.o" "$source"
    objects+=("$obj/$name.o")
  done
  link_static "$arch" "$obj/web-app" "${LTO[@]}" -Xlinker --package-metadata="$(package_metadata)" -Wl,-Map="$obj/web-app.map" \
    "${objects[@]}"
  "$(tool_of "$arch" strip)" --remove-section=.comment -o "$program.new" "$obj/web-app"
  mv "$program.new" "$program"
}
