# Listings under changes and load: each shows one file, none ends early unnoticed, and none delays a visitor.

load ../lib/mutants

OLD_LINE="2021-11-28 22:54:26.913511+03:00"

# lines_of COUNT: makes a data directory whose visits.txt has COUNT lines.
lines_of() {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  yes "$OLD_LINE" | head -n "$1" >"$BATS_TEST_TMPDIR/data/visits.txt"
}

listing() { timeout 300 "$TOOLS/listing.py" --port "$port" --file "$data/visits.txt" --pid "$pid" "$1"; }

@test "a listing continues with the file that it began with, after another file has taken its name" {
  lines_of 1000000
  start_web_app
  run listing replaced
  assert_success
  assert_output "all 1000000 lines are of the file that was listed"
  # The old file is closed when no listing needs it any more.
  is_closed() { [ -z "$(find "/proc/$pid/fd" -lname '*(deleted)')" ]; }
  try --max 200 --delay 0.05 -- is_closed
}

@test "a listing whose file is truncated does not look complete, in any format, in HTTP/1.0 and 1.1" {
  lines_of 1000000
  start_web_app
  run listing shortened
  assert_success
}

# killed: listings of which a part has been sent when the program is killed.
killed() {
  lines_of 1000000
  start_web_app
  run listing killed
}

@test "a listing does not look complete if the program is killed, has no time to drain, evicts it or ends it unread" {
  killed
  assert_success
  DATA=$data start_web_app --drain 0s
  run listing stopped
  assert_success
  DATA=$data start_web_app --max-connections 8
  run listing evicted
  assert_success
  stop_web_app
  DATA=$data start_web_app
  run listing silent
  assert_success
}

@test "control: a program whose listings over HTTP/1.0 look complete when it is killed is found out" {
  mutant killed-listing-looks-whole
  killed
  assert_failure
  assert_output --regexp '^over HTTP/1.0 [0-9]+ bytes of 1,000,000 lines as [a-z]+ look whole$'
}

searches() {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  { yes "$OLD_LINE" | head -n 1999999 && echo "# a note that an operator added." && echo "$OLD_LINE"; } \
    >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app --sync none
  run listing searched
}

@test "while a listing searches for its first line, visits are served" {
  searches
  assert_success
  # HEAD does not search.
  assert_equal "$(status_of '/visits?tail=1999999' --head)" 200
}

@test "control: a program that searches for the first line in one go is found out" {
  mutant searches-at-once
  searches
  assert_failure
  assert_output --regexp '^only [0-9] visits were acknowledged'
}

@test "a line of any length is read in pieces, even if none of it is shown" {
  mkdir "$BATS_TEST_TMPDIR/data"
  { echo "$OLD_LINE" && head -c 50000000 /dev/zero && printf '\n%s\n' "$OLD_LINE"; } >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app --sync none
  run jq -c '[.count, (.visits | length), .visits[1].time, .visits[2].visit]' <(get '/visits?format=json')
  assert_output '[3,3,null,3]'
  assert_equal "$(get '/visits?format=raw' | cmp - "$data/visits.txt" && echo same)" same
  run listing long
  assert_success
}

# raw_whole: the listing of raw lines is the file, byte for byte, and announces its length.
raw_whole() {
  get '/visits?format=raw' -D "$BATS_TEST_TMPDIR/head" | cmp - "$data/visits.txt" || return
  grep -qix "content-length: $(stat -c %s "$data/visits.txt")"$'\r' "$BATS_TEST_TMPDIR/head"
}

@test "a listing of raw lines announces its length, in HTTP/1.0 too, and HEAD does" {
  lines_of 300000
  start_web_app
  raw_whole
  visit
  raw_whole
  assert_equal "$(get '/visits?format=raw&tail=2' --http1.0 | wc -c)" 66
  run get '/visits?format=raw&tail=2' -I
  assert_line --regexp '^Content-Length: 66.?$'
}

@test "where sendfile(2) cannot read the file, the raw lines are sent all the same" {
  lines_of 300000
  IN_FRONT="strace -D -f -qq -o $BATS_TEST_TMPDIR/calls -e trace=sendfile -e inject=sendfile:error=EINVAL" start_web_app
  raw_whole
  grep -q 'sendfile.*EINVAL.*INJECTED' "$BATS_TEST_TMPDIR/calls"
}
