# The one retry loop. Sourced by the test language and by the cluster's verbs.
# shellcheck shell=bash

# try --max N --delay SECONDS -- COMMAND...: repeats COMMAND until it succeeds, N times at most. Prints the output of the
# last attempt and returns its status.
try() {
  local max=30 delay=1 attempt out status=0
  while [ $# -gt 0 ]; do
    case $1 in
      --max) max=$2 ;;
      --delay) delay=$2 ;;
      --)
        shift
        break
        ;;
      *)
        echo "BUG: try does not know $1" >&2
        return 2
        ;;
    esac
    shift 2
  done
  for ((attempt = 1; attempt <= max; attempt++)); do
    status=0
    out=$("$@" 2>&1) || status=$?
    [ "$status" != 0 ] || break
    [ "$attempt" = "$max" ] || command sleep "$delay"
  done
  [ -z "$out" ] || printf '%s\n' "$out"
  [ "$status" = 0 ] || printf 'gave up after %d attempts: %s\n' "$max" "$*" >&2
  return "$status"
}
