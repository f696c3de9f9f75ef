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
  -fzero-call-used-regs=used-gpr -fno-plt -fvisibility=hidden -fno-asynchronous-unwind-tables
)

# build_app: builds build/web-app: static, position-independent and stripped. The build is reproducible: the same sources
# give the same bytes in any directory.
build_app() {
  local key
  key=$(cat "${APP_SOURCES[@]}" "${APP_HEADERS[@]}" "$ROOT"/app/build.sh "$ROOT"/app/http/civetweb_hooks/* "$CIVETWEB/.verified" |
    sha256sum)-$VERSION-$(gcc -dumpfullversion)
  if [ -x "$BUILD/web-app" ] && [ "$(cat "$BUILD/web-app.key" 2>/dev/null)" = "$key" ]; then
    return
  fi
  step "compile web-app" link_app
  printf '%s' "$key" >"$BUILD/web-app.key"
}

# The whole program is optimized as one unit, for size: its own code takes little time compared with its system calls.
# Only the scan of the whole file at the start is optimized for speed. There is no padding to a page between code and
# constants. The constants are then executable too, but there are fewer executable bytes in all.
readonly LTO=(-flto -flto-partition=one -Os -fno-jump-tables)
readonly FAST=(scan)

# musl-gcc cannot link a static-pie: with that option it silently makes a dynamic program. So the start files are given
# here, in the order that the linker needs. build/obj/web-app is the same program with its symbols.
link_app() {
  local musl_lib
  musl_lib=$(dirname "$(dpkg -L musl-dev | grep -m 1 '/rcrt1\.o$')")
  mkdir -p "$BUILD/obj"
  local objects=() source
  for source in "${APP_SOURCES[@]}"; do
    local name optimize=("${LTO[@]}")
    name=$(basename "$source" .c)
    [[ " ${FAST[*]} " != *" $name "* ]] || optimize+=(-O3)
    musl-gcc "${COMPILE[@]}" "${HARDEN[@]}" "${optimize[@]}" -g0 -ffunction-sections -fdata-sections \
      -ffile-prefix-map="$ROOT"=. -c -o "$BUILD/obj/$name.o" "$source"
    objects+=("$BUILD/obj/$name.o")
  done
  gcc "${HARDEN[@]}" "${LTO[@]}" -static-pie -nostdlib -nostartfiles -Wl,--gc-sections \
    -Wl,-z,text,-z,relro,-z,now,-z,noexecstack,-z,noseparate-code \
    -Wl,--no-dynamic-linker,--build-id=none,--hash-style=gnu -o "$BUILD/obj/web-app" \
    "$musl_lib/rcrt1.o" "$musl_lib/crti.o" "$(gcc -print-file-name=crtbeginS.o)" "${objects[@]}" \
    -L "$musl_lib" -Wl,--start-group "$musl_lib/libc.a" "$(gcc -print-libgcc-file-name)" -Wl,--end-group \
    "$(gcc -print-file-name=crtendS.o)" "$musl_lib/crtn.o"
  strip --remove-section=.comment -o "$BUILD/web-app.new" "$BUILD/obj/web-app"
  mv "$BUILD/web-app.new" "$BUILD/web-app"
}
