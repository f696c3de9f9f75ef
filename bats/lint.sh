# What can be told without running anything. Sourced by build.sh.
# shellcheck shell=bash

lint_all() {
  step "check shell scripts (shellcheck)" lint_shell
  step "check the format of shell scripts (shfmt)" lint_shell_format
  step "check the format of C (clang-format)" lint_c_format
  step "compile C with warnings as errors (gcc)" lint_warnings gcc
  step "compile C with warnings as errors (clang)" lint_warnings clang
  step "check C (cppcheck)" lint_cppcheck
}

# shell_files FUNCTION: the scripts, told by their names or first lines.
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
  shellcheck --external-sources --severity=warning "${files[@]}"
}

lint_shell_format() {
  local files
  # shfmt reads bats files only in its newer releases.
  mapfile -t files < <(shell_files | grep -v '\.bats$')
  shfmt -d -i 2 -ci "${files[@]}"
}

lint_c_format() { clang-format --dry-run --Werror "${APP_SOURCES[@]}" "${APP_HEADERS[@]}" app/test/*.[ch] app/test/fuzz/*.[ch]; }

# lint_warnings COMPILER: of our files; civetweb's is a system header to both.
lint_warnings() {
  local source
  mkdir -p "$BUILD/obj"
  for source in "${APP_SOURCES[@]}" app/test/*.c; do
    "$1" "${COMPILE[@]}" -Werror -O2 -c -o "$BUILD/obj/lint.o" "$source"
  done
}

lint_cppcheck() {
  cppcheck --quiet --std=c11 --error-exitcode=1 --enable=warning,performance,portability \
    --suppress=missingIncludeSystem --suppress=ctunullpointer -DWEB_APP_VERSION='""' -I app "${APP_SOURCES[@]}"
}
