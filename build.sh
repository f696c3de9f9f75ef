#!/usr/bin/env bash
# web-app, one verb per job: `./build.sh run` builds and serves, `./build.sh test` runs all tests. All files are written
# below build/; only Debian packages are installed. When this file is sourced it only defines functions and constants.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly ROOT BUILD=$ROOT/build VERSION=1.0.0

say() { printf '%s\n' "$*" >&2; }
die() {
  say "build.sh: $*"
  exit 1
}
cmd() {
  say "+ $*"
  "$@"
}

# known WHAT NAME CHOICE...: dies unless NAME is one of them.
known() {
  local what=$1 name=$2
  shift 2
  [[ " $* " = *" $name "* ]] || die "there is no $what $name; there are: ${*:-none}"
}

# slug TEXT: prints TEXT as a file name.
slug() { printf '%s' "$1" | tr -cs 'A-Za-z0-9.' '-' | cut -c1-60; }

# elapsed SINCE: prints the seconds since $EPOCHREALTIME was SINCE, with one decimal.
elapsed() { awk -v from="$1" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.1f s", to - from }'; }

# step WHAT COMMAND...: runs COMMAND with its output in a log, and prints the time that it took. On failure it prints the
# end of the log, and dies.
step() {
  local what=$1 log since=$EPOCHREALTIME status=0 options=$-
  shift
  log=$BUILD/log/$(slug "$what").log
  mkdir -p "$BUILD/log"
  printf '%s ... ' "$what" >&2
  # A subshell of its own keeps `set -e` active in COMMAND even if the caller has switched it off.
  set +e
  (
    set -e
    "$@"
  ) >"$log" 2>&1 </dev/null
  status=$?
  [[ $options != *e* ]] || set -e
  if [ "$status" != 0 ]; then
    say "failed after $(elapsed "$since"):"
    tail -n 40 "$log" >&2
    die "$what failed with status $status; all of its output is in ${log#"$ROOT"/}"
  fi
  say "$(elapsed "$since")"
}

# shellcheck source=third_party/packages.sh
source "$ROOT/third_party/packages.sh"
# shellcheck source=third_party/debian.sh
source "$ROOT/third_party/debian.sh"
# shellcheck source=third_party/civetweb/fetch.sh
source "$ROOT/third_party/civetweb/fetch.sh"
# shellcheck source=third_party/tzdata/fetch.sh
source "$ROOT/third_party/tzdata/fetch.sh"
# shellcheck source=app/build.sh
source "$ROOT/app/build.sh"
# shellcheck source=app/test/build.sh
source "$ROOT/app/test/build.sh"
# shellcheck source=app/test/fuzz/build.sh
source "$ROOT/app/test/fuzz/build.sh"

cmd_app() { # [--arch ARCH]...: build/web-app, the static binary; build/ARCH/web-app for another architecture
  local architectures arch
  parse_architectures "$@"
  need app
  fetch_civetweb
  for arch in "${architectures[@]}"; do
    need_compiler "$arch"
    build_app "$arch"
  done
}

cmd_run() { # build it and serve on port 8080, visits in ./data; options go to the program
  cmd_app
  cmd exec "$BUILD/web-app" serve "$@"
}

cmd_unit() { # [TOPIC...]: the C unit tests, under the address and undefined-behaviour sanitizers
  need app unit
  fetch_civetweb
  unit_tests "$@"
}

cmd_layout() { # [--arch ARCH]...: the images as build/image/oci, an OCI image layout, without a container engine
  local architectures
  parse_architectures "$@"
  # shellcheck source=image/build.sh
  source "$ROOT/image/build.sh"
  check_labels
  need layout app
  cmd_app "$@"
  build_layout "${architectures[@]}"
}

cmd_image() { # [--arch ARCH]...: the same, and this machine's image in Docker as web-app:<version>
  local architectures
  parse_architectures "$@"
  [[ " ${architectures[*]} " != *" $MACHINE "* ]] || {
    need image
    docker info >/dev/null 2>&1 || die "no docker engine responds; start it (systemctl start docker), or join the group docker"
  }
  cmd_layout "$@"
  [[ " ${architectures[*]} " != *" $MACHINE "* ]] || load_image
}

cmd_release() { # [--to REGISTRY] [--key KEY | --keyless]: image, chart, SBOMs and checksums, signed; pushes them to REGISTRY
  # shellcheck source=image/release.sh
  source "$ROOT/image/release.sh"
  release_main "$@"
}

cmd_chart() { # [docs]: lint, render and package the chart; with docs, update its table of values first
  # shellcheck source=bats/chart/chart.sh
  source "$ROOT/bats/chart/chart.sh"
  chart_main "$@"
}

cmd_cluster() { # up | down | status | logs | image | load: a real Kubernetes cluster for the tests
  # shellcheck source=bats/cluster/cluster.sh
  source "$ROOT/bats/cluster/cluster.sh"
  cluster_main "$@"
}

cmd_lint() { # static checks: shell, C, formatting, CI's workflows
  need app lint
  fetch_civetweb
  # shellcheck source=bats/lint.sh
  source "$ROOT/bats/lint.sh"
  lint_all
}

cmd_test() { # [SUITE[/FILE[:FILTER]]...]: every test there is, or only these; see bats/README.md
  # shellcheck source=bats/run.sh
  source "$ROOT/bats/run.sh"
  test_main "$@"
}

cmd_bench() { # [SECONDS | --quick]: speed and size, beside nginx, lighttpd and Flask in the same run; build/bench.svg
  need bench
  cmd_app
  step "compile web-app for slow syncs" build_plain
  cmd bats/tools/bench "$BUILD/web-app" "$BUILD/plain/web-app" "$BUILD/bench" "$@"
}

cmd_pictures() { # bats/page.png and bats/visits.png, the pictures in README.md, of the pages as they are now
  need_browser
  cmd_app
  cmd bats/tools/pictures "$BUILD/web-app" "$ROOT/bats"
}

cmd_clean() { # remove build/
  cmd rm -rf "$BUILD"
}

cmd_help() { # this list
  say "usage: ./build.sh VERB [ARG...]"
  sed -n 's/^cmd_\([a-z0-9]*\)() { # /  \1\t/p' "$ROOT/build.sh" | expand -t 12 >&2
}

main() {
  set -euo pipefail
  cd "$ROOT"
  umask 022
  export HOME=${HOME:-$BUILD/home} # where Go keeps its caches
  local verb=${1:-help}
  shift || true
  declare -F "cmd_$verb" >/dev/null || {
    cmd_help
    die "there is no verb $verb"
  }
  "cmd_$verb" "$@"
}

if [ "${BASH_SOURCE[0]}" = "$0" ]; then main "$@"; fi
