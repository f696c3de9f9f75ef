# Builds pinned Go programs. Sourced after build.sh, which has ROOT, BUILD, die and step.
# shellcheck shell=bash
#
# Each directory beside this file is one Go module. go.mod and go.sum pin its dependencies (go.sum is enforced, never
# extended). It builds main.go, or the one blank import of tools.go. The file `ldflags`, if there is one, has flags for
# the linker, with @VERSION@, @MAJOR@ and @MINOR@ for the pinned version. NAME-MINOR has no programs of its own: it builds
# those of NAME with the dependencies of its own go.mod.

GO_MODULES=$ROOT/third_party/go

# Debug information and inlining cost a third of the compile time, and these programs need neither.
GO_FLAGS=(-mod=readonly -trimpath -buildvcs=false '-gcflags=all=-dwarf=false -l')

# go_source MODULE: prints the directory of the module's programs.
go_source() {
  if [ -f "$GO_MODULES/$1/tools.go" ] || [ -f "$GO_MODULES/$1/main.go" ]; then
    echo "$GO_MODULES/$1"
  else
    echo "$GO_MODULES/${1%-*}"
  fi
}

# go_pins MODULE: prints everything in this repository that a module's programs depend on.
go_pins() {
  printf '%s\n' "${GO_FLAGS[@]}"
  (cd "$GO_MODULES/$1" && sha256sum go.mod go.sum)
  (cd "$(go_source "$1")" && find . -type f ! -name go.mod ! -name go.sum | LC_ALL=C sort | xargs sha256sum)
}

# go_hash MODULE: prints the hash of that and of Go's version.
go_hash() {
  {
    go_pins "$1"
    go version
  } | sha256sum | cut -c 1-16
}

# go_main MODULE: prints the package that the module builds.
go_main() {
  local source imports
  source=$(go_source "$1")
  if [ -f "$source/main.go" ]; then
    echo .
    return
  fi
  imports=$(grep -oE '_ "[^"]+"' "$source/tools.go" | cut -d '"' -f 2)
  [ "$(wc -l <<<"$imports")" = 1 ] || die "third_party/go/$1/tools.go must import one main package"
  echo "$imports"
}

# go_ldflags MODULE: prints the linker's flags; most of them set the version that a program prints.
go_ldflags() {
  local source version major minor _
  source=$(go_source "$1")
  printf -- '-s -w '
  [ -f "$source/ldflags" ] || return 0
  version=$(go_version_of "$1")
  IFS=. read -r major minor _ <<<"${version#v}"
  sed "s/@VERSION@/$version/; s/@MAJOR@/$major/; s/@MINOR@/$minor/" "$source/ldflags" | tr '\n' ' '
}

# go_build MODULE PACKAGE OUTPUT: compiles one static program; OUTPUT appears once it is complete.
go_build() {
  local module=$1 package=$2 output=$3 source ldflags
  source=$(go_source "$module")
  ldflags=$(go_ldflags "$module")
  mkdir -p "$(dirname "$output")"
  (
    cd "$source" || exit
    # The caller's own flags or workspace must not change a pinned build.
    GOFLAGS='' GOWORK=off CGO_ENABLED=0 go build "${GO_FLAGS[@]}" -modfile "$GO_MODULES/$module/go.mod" -ldflags "$ldflags" \
      -o "$output.new" "$package"
  )
  mv "$output.new" "$output"
}

# go_tool NAME...: builds build/tools/bin/NAME from third_party/go/NAME.
go_tool() {
  local name
  for name in "$@"; do
    [ -f "$GO_MODULES/$name/go.sum" ] || die "third_party/go/$name is not a pinned Go module"
    go_program "$name" "$name" "$(go_main "$name")"
  done
}

# go_program NAME MODULE PACKAGE: builds build/tools/bin/NAME, if the module's directory or Go's version has changed.
go_program() {
  local output=$BUILD/tools/bin/$1 stamp=$BUILD/tools/stamp/$1 hash
  need_go "$2"
  hash=$(go_hash "$2")
  [ ! -x "$output" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ] || return 0
  mkdir -p "$BUILD/tools/stamp"
  (
    # Two runs at once must not build the same tool twice.
    flock 9
    [ "$(cat "$stamp" 2>/dev/null)" != "$hash" ] || [ ! -x "$output" ] || exit 0
    step "build $1 $(go_version_of "$2")" go_build "$2" "$3" "$output"
    echo "$hash" >"$stamp"
  ) 9>"$stamp.lock"
}

# go_version_of MODULE: prints the version that go.mod pins for the program that the module builds.
go_version_of() {
  local package source
  package=$(go_main "$1") || return 1
  source=$(go_source "$1")
  awk -v package="$package" -v tool="${source##*/}" '
    $1 == "require" { $0 = $2 " " $3 }
    $2 ~ /^v/ && (index(package "/", $1 "/") == 1 || $1 ~ "/" tool "(/v[0-9]+)?$") { print $2; exit }
  ' "$GO_MODULES/$1/go.mod"
}

# need_go MODULE: dies unless this machine's Go can build the module.
need_go() {
  local want
  command -v go >/dev/null || die "there is no Go; install it (package golang-go, or https://go.dev/dl) and try again"
  want=$(awk '$1 == "go" { print $2 }' "$GO_MODULES/$1/go.mod")
  # `go version` in the module's directory also fails if Go may not fetch the toolchain that go.mod names.
  (cd "$GO_MODULES/$1" && GOFLAGS='' GOWORK=off go version >/dev/null 2>&1) ||
    die "Go $want or newer is needed for $1, this is $(GOTOOLCHAIN=local go env GOVERSION)"
}
