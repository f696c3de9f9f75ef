# The pages in a real browser: Debian's Chromium, or Chrome.

load ../lib/mutants

# browser CHECK: see bats/tools/browser.py.
browser() {
  timeout 60 "$TOOLS/browser.py" --port "$port" --admin-port "$admin_port" --file "$data/visits.txt" "${others[@]}" "$@"
}

setup() {
  command -v chromium google-chrome >/dev/null || skip_or_fail "this machine lacks chromium and google-chrome"
  others=()
}

# start_beside NAME OPTION...: starts a program beside the first; its files are of bats/tools/history.py.
start_beside() {
  local first=("$port" "$admin_port" "$data" "$pid")
  DATA=$BATS_TEST_TMPDIR/$1 start_web_app "${@:2}" || return
  others+=(--port "$port")
  port=${first[0]} admin_port=${first[1]} data=${first[2]} pid=${first[3]}
}

@test "a load is one request of at most 8 KB and one visit; an icon, a prefetch and a look back are none" {
  start_web_app
  run browser loads
  assert_success
}

@test "control: a page whose icon is a request of its own is found out" {
  mutant icon-is-a-request
  start_web_app
  run browser loads
  assert_failure
  # The browser asks for the icon during the first load or later.
  assert_output --regexp 'favicon\.ico|^a load made 2 requests$'
}

@test "on a phone, on a desktop and at 200 %, in light and dark, all can be read, whatever the visits are" {
  local kind
  for kind in "" "burst 3000000" back summer; do
    mkdir "$BATS_TEST_TMPDIR/${kind%% *}-visits"
    # shellcheck disable=SC2086 # a kind and a number
    [ -z "$kind" ] || "$TOOLS/history.py" $kind >"$BATS_TEST_TMPDIR/${kind%% *}-visits/visits.txt"
  done
  start_web_app
  visit 2 >/dev/null
  start_beside -visits
  start_beside burst-visits
  start_beside back-visits
  start_beside summer-visits --timezone Europe/Berlin
  run browser looks
  assert_success
  assert_output "20 looks"
}

@test "control: a page with labels behind its bars, and one in faint colours, are found out" {
  mkdir "$BATS_TEST_TMPDIR/data"
  "$TOOLS/history.py" back >"$BATS_TEST_TMPDIR/data/visits.txt"
  mutant labels-behind-bars
  start_web_app
  run browser looks
  assert_failure
  assert_output --partial "covers '"
  stop_web_app
  mutant faint-colours
  DATA=$data start_web_app
  run browser looks
  assert_failure
  assert_output --partial "with a contrast of"
}

@test "the keyboard reaches everything, and the accessibility tree names what is seen" {
  mkdir "$BATS_TEST_TMPDIR/data"
  "$TOOLS/history.py" back >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  run browser keyboard names
  assert_success
}

@test "the pages list every visit once, newest first, and a bar of the plot leads to its visits" {
  mkdir "$BATS_TEST_TMPDIR/data"
  "$TOOLS/history.py" year 250 >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  run browser pages
  assert_success
}

@test "eight pods differ in colour, neighbours in shape too, and each icon is the mark of its pages" {
  requires root
  local i
  for ((i = 0; i < 8; i++)); do
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nhostname chart-web-app-%s\nexec "$@"\n' "$i" >"$BATS_TEST_TMPDIR/pod-$i"
    chmod +x "$BATS_TEST_TMPDIR/pod-$i"
    if [ "$i" = 0 ]; then
      IN_FRONT="unshare --uts $BATS_TEST_TMPDIR/pod-0" start_web_app
    else
      IN_FRONT="unshare --uts $BATS_TEST_TMPDIR/pod-$i" start_beside "data-$i"
    fi
  done
  run browser pods
  assert_success
  assert_output --partial "circle"
}
