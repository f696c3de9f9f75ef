# The verb `visits` as a person uses it in a terminal: it follows, selects and counts; and the help.

load ../lib/common

setup() {
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
}

# day DAY COUNT: appends that many visits of a day of November 2022.
day() {
  local visit
  for ((visit = 0; visit < $2; visit++)); do printf '2022-11-%02d 10:00:%02d.000000+03:00\n' "$1" "$visit"; done >>"$data/visits.txt"
}

list() { web_app visits --data-dir "$data" "$@"; }

# follow [OPTION...]: follows in the background; `followed` has what it printed.
follow() { in_background "$BATS_TEST_TMPDIR/followed" "$WEB_APP" visits --follow --data-dir "$data" "$@"; }

has_followed() { [ "$(cat "$BATS_TEST_TMPDIR/followed")" = "$1" ]; }

wait_followed() { try --max 100 --delay 0.05 -- has_followed "$1" || fail "it printed: $(cat "$BATS_TEST_TMPDIR/followed")"; }

@test "--since and --until select a span, by times as they stand in the file" {
  day 1 2
  day 2 3
  day 3 1
  assert_equal "$(list --since 2022-11-02 --until 2022-11-03)" "$(list | sed -n 3,5p)"
  assert_equal "$(list --since '2022-11-02 10:00:01')" "$(list | sed -n 4,6p)"
  assert_equal "$(list --until 2022-11-01)" ""
  assert_equal "$(list --since 2022 --tail 2)" "$(list --tail 2)"
  assert_equal "$(list --raw --since 2022-11-03)" "2022-11-03 10:00:00.000000+03:00"
  echo "not a visit" >>"$data/visits.txt"
  assert_equal "$(list --since 2000 --count)" 6
  assert_equal "$(list --count)" 7
}

@test "--count prints the number alone, and --json an object a line" {
  day 1 3
  assert_equal "$(list --count)" 3
  assert_equal "$(list --count --tail 2)" 2
  assert_equal "$(list --json | jq -s -c 'map(.visit)')" "[1,2,3]"
  assert_equal "$(list --json --tail 1)" '{"visit": 3, "time": "2022-11-01 10:00:02.000000+03:00"}'
  echo 'a "line" of somebody' >>"$data/visits.txt"
  assert_equal "$(list --json | tail -n 1 | jq -c .)" '{"visit":4,"time":null}'
}

@test "a line longer than any buffer has one number, is counted once, and is printed whole" {
  day 1 1
  { head -c 100000 /dev/zero | tr '\0' x && echo; } >>"$data/visits.txt"
  day 1 1
  assert_equal "$(list --count)" 3
  assert_equal "$(list | wc -c)" $((40 + 7 + 100001 + 40))
  list --raw | cmp - "$data/visits.txt"
  assert_equal "$(list --json | jq -s -c 'map(.visit)')" "[1,2,3]"
}

@test "--follow goes on with each visit, with its number" {
  day 1 2
  follow --tail 1
  wait_followed "$(list --tail 1)"
  day 2 2
  wait_followed "$(list --tail 3)"
  # Half a line is not a visit yet.
  printf '2022-11-03 10:00' >>"$data/visits.txt"
  printf ':00.000000+03:00\n' >>"$data/visits.txt"
  wait_followed "$(list --tail 4)"
  kill "$background"
  wait "$background"
}

@test "--follow goes on with the file that has the name, as tail -F does, and loses no line of the one before" {
  local expected
  follow
  try --max 100 --delay 0.05 -- grep -q 'does not exist yet; waiting' "$BATS_TEST_TMPDIR/followed"
  day 1 2
  expected=$(printf '%s\n%s' "web-app: $data/visits.txt does not exist yet; waiting for it" "$(list)")
  wait_followed "$expected"
  mv "$data/visits.txt" "$data/old"
  printf '2022-11-01 11:00:00.000000+03:00\n' >>"$data/old"
  day 2 1
  expected+=$(printf '\n%6d\t%s\n%s\n%6d\t%s' 3 '2022-11-01 11:00:00.000000+03:00' \
    "web-app: $data/visits.txt was replaced; from the first line of the new file" 1 '2022-11-02 10:00:00.000000+03:00')
  wait_followed "$expected"
  : >"$data/visits.txt"
  try --max 100 --delay 0.05 -- grep -q 'was truncated' "$BATS_TEST_TMPDIR/followed"
  kill -INT "$background"
  wait "$background"
}

@test "--follow ends with 0 at SIGTERM and SIGINT, and when its reader ends, though no visit comes" {
  local signal
  day 1 1
  for signal in TERM INT; do
    follow
    wait_followed "$(list)"
    kill -s "$signal" "$background"
    wait "$background"
  done
  # shellcheck disable=SC2016
  run timeout 20 bash -o pipefail -c '"$0" visits --follow --data-dir "$1" | head -n 1' "$WEB_APP" "$data"
  assert_success
  assert_output "$(list)"
}

@test "options of visits that exclude each other, and malformed times, are refused" {
  local value
  day 1 1
  run --separate-stderr list --count --follow
  assert_complaint 2 "--count and --follow exclude each other; leave one of them out"
  run --separate-stderr list --raw --json
  assert_complaint 2 "--raw and --json exclude each other; leave one of them out"
  for value in "" 22 yesterday 2022-1-1 2022/11/01 2022-11-01T10:00 "2022-11-01 10:00:00.0000000"; do
    run --separate-stderr list --since "$value"
    assert_complaint 2 "--since=$value is not allowed; give the beginning of a time, such as 2026-11-28 or .2026-11-28 22:54."
  done
}

@test "help VERB has the options of that verb alone, and its exit codes" {
  run web_app help visits
  assert_success
  assert_output --partial 'usage: web-app visits [options]'
  assert_output --partial '--follow'
  assert_output --partial '--data-dir'
  refute_output --partial '--listen'
  run web_app help prove
  assert_output --partial 'exit codes of prove: 0 proven'
  refute_output --partial 'forbidden system call'
  run web_app help version
  assert_output --partial 'usage: web-app version'
  run --separate-stderr web_app help nothing
  assert_complaint 2 "there is no verb nothing; see web-app help"
}
