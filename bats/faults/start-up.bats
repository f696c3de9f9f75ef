# The start on a file that a crash, an editor or damage has left: no line that may be a visit is removed, and removed
# bytes are kept in another file. app/test/recovery_test.c tests the recovery alone; this file tests the program.

load ../lib/faults

LINE="2022-11-28 22:54:26.913511+03:00"
LINES="$LINE
2022-11-28 22:54:27.000001+03:00
2022-11-29 01:02:03.999999+03:00
"

# The program starts hundreds of times here. The data is in memory, because a disk would only make that slower.
setup() {
  directory=$BATS_TEST_TMPDIR/directory
  [ ! -w /dev/shm ] || directory=$(mktemp -d -p /dev/shm)
  DATA=$directory/data
}

teardown() {
  stop_started
  rm -rf "$directory"
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# found PRINTF-FORMAT: makes a data directory that holds this visits.txt and nothing else.
found() {
  rm -rf "$DATA" && mkdir "$DATA"
  # shellcheck disable=SC2059 # it is meant as a format
  printf "$1" >"$DATA/visits.txt"
}

# starts_and_counts KEPT N: the program starts, counts N lines, and keeps the bytes of the file KEPT; the next visit is
# number N + 1, and its line is the last.
starts_and_counts() {
  start_web_app || return
  assert_equal "$(log_has "\($2 so far\)" && visit | jq .visit)" $(($2 + 1)) || return
  cmp <(head -c "$(wc -c <"$1")" "$data/visits.txt") "$1" || fail "the lines from before are changed" || return
  assert_equal "$(count_visits)" $(($2 + 1)) || return
  assert_timestamp "$(tail -c +$(($(wc -c <"$1") + 1)) "$data/visits.txt")" || return
  stop_web_app
}

# torn_is FILE: one file of torn bytes is kept, and it has the bytes of FILE.
torn_is() {
  local torn=("$data"/visits.txt.torn-*)
  assert_equal "${#torn[@]}" 1 || return
  cmp "${torn[0]}" "$1" || fail "the torn bytes are not kept as they were" || return
  assert log_has "^web-app: truncated $(wc -c <"$1") bytes of a torn line from $data/visits.txt; kept in ${torn[0]}$"
}

torn_is_nothing() { refute [ -e "$(echo "$data"/visits.txt.torn-*)" ]; }

# many_lines N: prints N lines with ascending times.
many_lines() {
  python3 - "$1" <<'PYTHON'
import sys
many = int(sys.argv[1])
day = ["%02d:%02d:%02d" % (n // 3600, n // 60 % 60, n % 60) for n in range(86400)]
for start in range(0, many, 50000):
    sys.stdout.write("".join("2022-%02d-%02d %s.%06d+03:00\n" % (n // 86400 // 28 % 12 + 1, n // 86400 % 28 + 1,
                                                                 day[n % 86400], n % 1000000)
                             for n in range(start, min(many, start + 50000))))
PYTHON
}

# torn_tail LENGTH: starts on a file whose last line ends after LENGTH bytes, as a crash leaves it, and checks the result.
torn_tail() {
  found "$LINES"
  cp "$DATA/visits.txt" "$directory/kept"
  printf '%s\n' "$LINE" | head -c "$1" | tee "$directory/torn" >>"$DATA/visits.txt"
  if [ "$1" -lt 32 ]; then
    starts_and_counts "$directory/kept" 3 && torn_is "$directory/torn"
  else
    # A line that is whole, or lacks only its newline, may have been acknowledged.
    printf '%s%s\n' "$LINES" "$LINE" >"$directory/kept"
    starts_and_counts "$directory/kept" 4 && torn_is_nothing
  fi
}

# nul_tail LENGTH: the same with LENGTH NULs, which some file systems leave of an unfinished write.
nul_tail() {
  found "$LINES"
  cp "$DATA/visits.txt" "$directory/kept"
  head -c "$1" /dev/zero | tee "$directory/torn" >>"$DATA/visits.txt"
  starts_and_counts "$directory/kept" 3 && torn_is "$directory/torn"
}

@test "the first visit is number 1 without a file or with an empty one, and number 2 with a file of one line" {
  : >"$directory/kept"
  starts_and_counts "$directory/kept" 0
  torn_is_nothing
  found ''
  starts_and_counts "$directory/kept" 0
  found "$LINE\n"
  echo "$LINE" >"$directory/kept"
  starts_and_counts "$directory/kept" 1
  torn_is_nothing
}

@test "with 3,000,000 lines it starts, counts them right, and shows the last ones" {
  DATA=$BATS_TEST_TMPDIR/data # 99 MB, too much for some /dev/shm
  mkdir "$DATA"
  many_lines 3000000 >"$DATA/visits.txt"
  since=$EPOCHREALTIME
  start_web_app
  run visit
  echo "# from the start to the first response: $(awk -v from="$since" -v to="$EPOCHREALTIME" 'BEGIN { printf "%.2f s", to - from }')" >&3
  assert_equal "$(jq .visit <<<"$output")" 3000001
  assert log_has "\(3000000 so far\)"
  wanted=$(tail -n 5 "$data/visits.txt" | awk '{ printf "%d\t%s\n", 2999996 + NR, $0 }')
  assert_equal "$(get '/visits?tail=5&format=text' | sed 's/^ *//')" "$wanted"
  assert_equal "$(web_app visits --tail 5 --data-dir "$data" | sed 's/^ *//')" "$wanted"
  assert_equal "$(get '/visits?tail=5&format=raw')" "$(tail -n 5 "$data/visits.txt")"
  assert_visits 3000001
  # The same with a torn line at the end.
  stop_web_app
  printf '%s' "${LINE:0:17}" | tee "$directory/torn" >>"$data/visits.txt"
  start_web_app
  torn_is "$directory/torn"
  assert_equal "$(visit | jq .visit)" 3000002
  assert_visits 3000002
}

@test "a torn line of any length from 1 to 33 bytes is moved to another file, unless it is whole" {
  local length
  for ((length = 1; length <= 33; length++)); do
    torn_tail "$length" || fail "with $length bytes of a line" || return
  done
}

@test "NULs at the end are moved to another file, behind a torn line too" {
  local length
  for length in 1 33 4096 100000; do
    nul_tail "$length" || fail "with $length NULs" || return
  done
  found "$LINES"
  cp "$DATA/visits.txt" "$directory/kept"
  printf '2022-11-2\0\0\0\0' | tee "$directory/torn" >>"$DATA/visits.txt"
  starts_and_counts "$directory/kept" 3
  torn_is "$directory/torn"
}

@test "a file with CRLF lines is kept as it is and counted, and new lines end in LF" {
  found "$LINE\r\n$LINE\r\n"
  cp "$DATA/visits.txt" "$directory/kept"
  starts_and_counts "$directory/kept" 2
  torn_is_nothing
  refute log_has "are not visits"
  start_web_app
  assert_equal "$(get '/visits?format=json' | jq '.visits | length')" 3
  assert_equal "$(get '/visits?format=text&tail=3' | wc -l)" 3
  # A line that ends in CR may lack its newline too.
  stop_web_app
  found "$LINE\r\n$LINE\r"
  starts_and_counts "$directory/kept" 2
  assert log_has "restored the newline missing after the last line of $data/visits.txt$"
}

@test "damaged lines in the middle are kept in place, counted, and reported by a warning" {
  found "$LINE\nrubbish\n\n\001\377\n$LINE\n"
  cp "$DATA/visits.txt" "$directory/kept"
  starts_and_counts "$directory/kept" 5
  assert log_has "^web-app: 3 lines of $data/visits.txt are not visits; they are kept and counted$"
  torn_is_nothing
  # A line that is too long for a visit, and NULs that a power loss left between two visits.
  found "$LINE\n"
  { head -c 300000 /dev/zero | tr '\0' x && printf '\n%s\n' "$LINE" && head -c 4096 /dev/zero && printf '\n%s\n' "$LINE"; } \
    >>"$DATA/visits.txt"
  cp "$DATA/visits.txt" "$directory/kept"
  starts_and_counts "$directory/kept" 5
  assert log_has "^web-app: 2 lines of $data/visits.txt are not visits"
}

@test "damage behind the last visit is moved to another file as a whole" {
  found "$LINES"
  cp "$DATA/visits.txt" "$directory/kept"
  printf 'rubbish\n\nmore\0\n2022-11' | tee "$directory/torn" >>"$DATA/visits.txt"
  starts_and_counts "$directory/kept" 3
  torn_is "$directory/torn"
}

@test "a file of another time zone is kept, and new lines have this one" {
  found '2022-11-28 11:54:26.913511-08:00\n2022-11-29 01:24:26.913511+05:30\n'
  cp "$DATA/visits.txt" "$directory/kept"
  starts_and_counts "$directory/kept" 2
  torn_is_nothing
  refute log_has "are not visits"
  assert_equal "$(cut -c 27- "$data/visits.txt" | tr '\n' ' ')" "-08:00 +05:30 +03:00 "
}

@test "a file that an editor left without its final newline loses no visit" {
  found "$LINE\n$LINE"
  printf '%s\n' "$LINE" "$LINE" >"$directory/kept"
  starts_and_counts "$directory/kept" 2
  assert log_has "^web-app: restored the newline missing after the last line of $data/visits.txt$"
  torn_is_nothing
}

@test "a copy of torn bytes never replaces an earlier copy" {
  local now second
  found "$LINES"
  printf 'second' | tee "$directory/torn" >>"$DATA/visits.txt"
  # For every second of the next minute a file with the name of the copy exists already.
  now=$(date +%s)
  for ((second = 0; second < 60; second++)); do
    printf 'first' >"$DATA/visits.txt.torn-$(date -u -d "@$((now + second))" +%Y%m%dT%H%M%SZ)"
  done
  start_web_app
  assert log_has "kept in $data/visits.txt.torn-[0-9T]+Z-2$"
  assert_equal "$(cat "$data"/visits.txt.torn-*Z-2)" second
  assert_equal "$(grep -lx first "$data"/visits.txt.torn-*Z | wc -l)" 60
  assert_equal "$(visit | jq .visit)" 4
  assert_visits 4
}

@test "a start after a repair finds nothing to repair" {
  torn_tail 20
  start_web_app
  refute log_has "torn bytes"
  assert_equal "$(visit | jq .visit)" 5
  torn_of=("$data"/visits.txt.torn-*)
  assert_equal "${#torn_of[@]}" 1
}

@test "control: a program that leaves the torn line in the file is found out" {
  mutant leaves-torn-end
  run torn_tail 15
  assert_failure
  assert_output --partial "value does not match regular expression"
  run nul_tail 33
  assert_failure
}

@test "control: a program that truncates the torn line without a copy is found out" {
  mutant keeps-no-torn-copy
  run torn_tail 15
  assert_failure
  assert_output --partial "the torn bytes are not kept as they were"
  run nul_tail 33
  assert_failure
}

@test "control: a program that takes a line without its newline for torn is found out" {
  mutant takes-missing-newline-for-torn
  run torn_tail 32
  assert_failure
  assert_output --partial "expected : 5"
  run torn_tail 31
  assert_success
}
