# Ends what hangs. Sourced by the test language and by run.sh.
# shellcheck shell=bash

# limited COMMAND...: ends the command, and what it has started, after $LIMIT_SECONDS; its status is then 124. The waits
# that tests ask of helm and kubectl are shorter.
LIMIT_SECONDS=300
limited() { timeout --kill-after=10 "$LIMIT_SECONDS" "$@"; }

# descendants ID [EXCEPT]: prints the ids of the processes below a process, but not EXCEPT and those below it.
descendants() {
  ps -e -o pid= -o ppid= | awk -v root="$1" -v except="${2:-}" '
    { parent[$1] = $2 }
    END {
      for (id in parent) {
        for (above = id; above in parent && above != root && above != except; above = parent[above]);
        if (above == root && id != root) print id
      }
    }'
}

# end_descendants ID [EXCEPT]: ends these processes, by SIGKILL those that are left after 5 s.
end_descendants() {
  local ids
  mapfile -t ids < <(descendants "$@")
  kill -TERM "${ids[@]}" 2>/dev/null || true
  command sleep 5
  kill -KILL "${ids[@]}" 2>/dev/null || true
}

# running_tests ID: prints FILE: NAME of each bats test that runs below a process. bats writes a space in a name as `_`,
# and most other characters as -HEX.
running_tests() {
  local ids file name
  ids=$(descendants "$1" | paste -sd ,)
  ps -o args= -p "$ids" 2>/dev/null | sed -nE 's|.*/bats-exec-test .*/([^/]*/[^/ ]*)\.bats test_([^ ]*) .*|\1 \2|p' | sort -u |
    while read -r file name; do
      name=${name//_/ }
      printf '%s: %b\n' "$file" "${name//-/\\x}"
    done
}
