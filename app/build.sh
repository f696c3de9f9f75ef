# How the program is compiled. Sourced by build.sh.
# shellcheck shell=bash

# civetweb without the parts that nobody calls; see third_party/README.md.
readonly CIVETWEB_DEFINES=(
  -DNO_SSL -DNO_CGI -DNO_POPEN -DNO_FILES -DNO_CACHING -DNO_NONCE_CHECK -DNO_FILESYSTEMS
  -DUSE_IPV6 -DREENTRANT_TIME -DUSE_STACK_SIZE=131072 -DSOCKET_TIMEOUT_QUANTUM=100 "-DBUILD_DATE=\"\""
  -DMG_EXTERNAL_FUNCTION_mg_cry_internal_impl -DMG_EXTERNAL_FUNCTION_log_access
)
# They do not reach into civetweb.c, which is included from a system folder. `build.sh lint` makes them
# errors; here a newer compiler with a new opinion must not keep anybody from building.
readonly WARNINGS=(
  -Wall -Wextra -Wconversion -Wshadow -Wformat=2 -Wundef -Wvla -Wcast-align -Wwrite-strings
  -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes -Wimplicit-fallthrough
)
readonly INCLUDES=(-isystem "$CIVETWEB/include" -isystem "$CIVETWEB/src" -I "$ROOT/app/http/civetweb_hooks" -I "$ROOT/app")
# The wings of the program, of which each knows only those before it; see app/README.md.
readonly WINGS=(base log http site)
APP_SOURCES=("$ROOT"/app/*.c) APP_HEADERS=("$ROOT"/app/*.h)
for wing in "${WINGS[@]}"; do
  APP_SOURCES+=("$ROOT/app/$wing"/*.c) APP_HEADERS+=("$ROOT/app/$wing"/*.h)
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

# build_app: build/web-app, static, position-independent, stripped, and the same bytes from the same
# sources wherever they lie.
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

# The whole program is optimized as one unit, for size: beside its system calls its own code takes little
# time, but for the start's pass over every line of the file. Nor is it padded to a page between code and
# constants: these are then executable too, and yet all that is executable is less.
readonly LTO=(-flto -flto-partition=one -Os -fno-jump-tables)
readonly FAST=(scan)

# musl-gcc cannot link a static-pie: given that option it makes a dynamic program without saying so. So
# the start files are named here, in the order in which they go on both sides. build/obj/web-app is the
# same program with its symbols.
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
