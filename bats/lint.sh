# Static checks of the sources. Sourced by build.sh.
# shellcheck shell=bash

lint_all() {
  # shellcheck source=third_party/go/build.sh
  source "$ROOT/third_party/go/build.sh"
  go_tool actionlint
  step "check shell scripts (shellcheck)" lint_shell
  step "check the format of shell scripts (shfmt)" lint_shell_format
  step "check the format of C (clang-format)" lint_c_format
  step "compile C with warnings as errors (gcc)" lint_warnings gcc
  step "compile C with warnings as errors (clang)" lint_warnings clang
  step "check C (cppcheck)" lint_cppcheck
  step "check the workflows of CI (actionlint)" lint_workflows .github/workflows
  step "check the arrows between the directories of app/" lint_arrows "$ROOT/app"
}

# shell_files: prints the shell scripts, recognized by their names or first lines.
shell_files() {
  git ls-files --cached --others --exclude-standard | while IFS= read -r file; do
    [ -f "$file" ] || continue
    case $file in
      *.sh | *.bash | *.bats) echo "$file" ;;
      *.*) ;;
      *) ! head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b' || echo "$file" ;;
    esac
  done
}

lint_shell() {
  local files
  mapfile -t files < <(shell_files)
  printf '%s\0' "${files[@]}" | xargs --null --max-args 8 --max-procs "$(nproc)" shellcheck --external-sources --severity=warning
}

lint_shell_format() {
  local files
  # Only newer releases of shfmt read bats files.
  mapfile -t files < <(shell_files | grep -v '\.bats$')
  shfmt -d -i 2 -ci "${files[@]}"
}

lint_c_format() { clang-format --dry-run --Werror "${APP_SOURCES[@]}" "${APP_HEADERS[@]}" app/test/*.[ch] app/test/fuzz/*.[ch]; }

# lint_warnings COMPILER: compiles our files with warnings as errors; civetweb's header counts as a system header.
lint_warnings() {
  local source
  mkdir -p "$BUILD/obj"
  for source in "${APP_SOURCES[@]}" app/test/*.c; do
    "$1" "${COMPILE[@]}" -Werror -O2 -c -o "$BUILD/obj/lint.o" "$source"
  done
}

# Also checks the scripts in them, with shellcheck.
lint_workflows() { "$BUILD/tools/bin/actionlint" "$1"/*.yaml; }

lint_cppcheck() {
  cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,performance,portability \
    --suppress=missingIncludeSystem --suppress=ctunullpointer -DWEB_APP_VERSION='""' -I app "${APP_SOURCES[@]}"
}

# The directories that each directory of app/ may include; see app/README.md.
declare -rA ARROWS=([base]="base" [log]="log|base" [http]="http|base" [site]="site|http|log|base" [prove]="prove|http|base")

# lint_arrows APP: fails, and names each include against an arrow, each circle of files, and each use of civetweb's header
# outside the file that hides it.
lint_arrows() {
  local faults
  # grep(1) fails if it finds nothing.
  faults=$(cd "$1" && { arrow_faults || true; })
  [ -z "$faults" ] || {
    echo "$faults"
    return 1
  }
}

arrow_faults() {
  local directory
  for directory in "${!ARROWS[@]}"; do
    grep -n '^#include "' "$directory"/*.[ch] | grep -vE "\"(${ARROWS[$directory]})/" | sed "s:\$: goes against the arrows of $directory/:"
  done
  # A module is a .c file with its header; tsort(1) names the modules of a circle.
  grep '^#include "' ./*.[ch] ./*/*.[ch] | sed -nE 's|^\./([^:]*)\.[ch]:#include "(.*)\.h"|\1 \2|p' | awk '$1 != $2' |
    tsort 2>&1 >/dev/null | sed 's/-: input contains a loop:/these include each other:/'
  grep -n '^#include <civetweb' ./*.[ch] ./*/*.[ch] | grep -v '^\./http/civetweb_glue\.c:' | sed 's|$| belongs in http/civetweb_glue.c|'
}
