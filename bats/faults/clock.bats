# The machine's clock: set back and forth under load, in the last year of a line, in a leap second, at the end of summer
# time. A preloaded library fakes the time, so these tests use a dynamically linked build of the program.

load ../lib/faults

FAKETIME=/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1

setup() {
  set_by=$BATS_TEST_TMPDIR/set-by
  patience=400
}

teardown() {
  stop_clocked
  refute_sanitizer || return
  [ -n "${BATS_TEST_COMPLETED:-}" ] || tail -n 20 "$(scratch)"/web-app.*.log 2>/dev/null || true
}

# stop_clocked: stop_started, and removes the shared memory that the library leaves behind for a killed program.
stop_clocked() {
  local ids=() one
  [ ! -e "$(scratch)/started" ] || mapfile -t ids < <(cut -d ' ' -f 1 "$(scratch)/started")
  stop_started
  for one in "${ids[@]}"; do rm -f "/dev/shm/faketime_shm_$one" "/dev/shm/sem.faketime_sem_$one"; done
}

# clocked_program [MUTANT]: sets WEB_APP to a build whose clock can be set, of the program or of MUTANT.
clocked_program() {
  [ -e "$FAKETIME" ] || skip_or_fail "this machine lacks libfaketime (package faketime)" || return
  if [ $# -gt 0 ]; then
    mutant "$1" plain
    return
  fi
  build_as build_plain || return
  WEB_APP=$BUILD/plain/web-app
}

# timestamps_program [MUTANT]: sets $timestamps to a program made of bats/tools/timestamps.c, the objects of the program
# or of MUTANT, and the same C library.
timestamps_program() {
  local directory=$BUILD/static objects
  build_as build_static || return
  if [ $# -gt 0 ]; then
    mutant "$1" || return
    directory=$MUTANT
  fi
  mapfile -t objects < <(printf '%s\n' "$directory"/*.o | grep -v '/main\.o$')
  timestamps=$BATS_TEST_TMPDIR/timestamps
  musl-gcc -static -I "$ROOT/app" -o "$timestamps" "$TOOLS/timestamps.c" "${objects[@]}" || fail "BUG: $timestamps does not compile"
}

# times_are_right MIN KIND [DIRECTORY]: no timestamp of a zone is wrong, and at least MIN zones are accepted.
times_are_right() {
  run "$TOOLS/zones.py" "$2" "$timestamps" "${@:3}"
  assert_success || return
  [[ ${lines[-1]} =~ ^accepted\ ([0-9]+),\ refused\ [0-9]+,\ wrong\ 0$ ]] || fail "$output" || return
  echo "# $2: $output" >&3
  [ "${BASH_REMATCH[1]}" -ge "$1" ] || fail "$output"
}

# own_zones: makes a directory of zones, of which some are damaged or unusable. "${in_own_zones[@]}" COMMAND runs COMMAND
# with these in place of the machine's zones.
own_zones() {
  own_zones=$BATS_TEST_TMPDIR/zones
  in_own_zones=(unshare --mount "$BATS_TEST_TMPDIR/in-own-zones")
  printf '#!/bin/sh\nmount --bind %s /usr/share/zoneinfo && exec "$@"\n' "$own_zones" >"${in_own_zones[2]}"
  chmod +x "${in_own_zones[2]}"
  cat >"$BATS_TEST_TMPDIR/source" <<'ZONES'
Rule E 1996 max - Mar lastSun 1:00u 1:00 S
Rule E 1996 max - Oct lastSun 1:00u 0 -
Zone Own/Rules 1:00 E CE%sT
Zone Own/Fixed -3:30 - -0330
Zone Own/Seconds 2:30:17 - LMT
Zone Own/Soon 1:00 E CE%sT 2150
 2:30:17 - LMT
Zone Own/Summer 1:00 - CET 1990
 1:00 1:00 CEST
ZONES
  printf '%s\n' 'Leap 2016 Dec 31 23:59:60 + S' 'Expires 2022 Jun 28 00:00:00' >"$BATS_TEST_TMPDIR/leap"
  zic -b slim -d "$own_zones" "$BATS_TEST_TMPDIR/source" || return
  zic -b fat -d "$own_zones/right" -L "$BATS_TEST_TMPDIR/leap" "$BATS_TEST_TMPDIR/source" || return
  head -c 100 "$own_zones/Own/Rules" >"$own_zones/Own/Cut"
  head -c -1 "$own_zones/Own/Rules" >"$own_zones/Own/Footless"
  tr 2 '\0' <"$own_zones/Own/Fixed" >"$own_zones/Own/Version1"
  cp "$BATS_TEST_TMPDIR/source" "$own_zones/Own/Text"
}

# refused_zone ZONE REASON: the program, started by $in_front, ends with 2 and one line with the zone and the reason.
refused_zone() {
  run --separate-stderr "${in_front[@]}" "$WEB_APP" --listen 127.0.0.1:0 --admin-listen 127.0.0.1:0 \
    --data-dir "$BATS_TEST_TMPDIR/refused" "--timezone=$1"
  assert_complaint 2 "--timezone=$1 .*$2.*; .*give" || return
  refute [ -e "$BATS_TEST_TMPDIR/refused" ]
}

# start_clocked TIME [OPTION...]: starts the program with its clock at TIME.
start_clocked() {
  set_clock "$1"
  IN_FRONT="env LD_PRELOAD=$FAKETIME FAKETIME_TIMESTAMP_FILE=$set_by FAKETIME_NO_CACHE=1 DONT_FAKE_MONOTONIC=1
    FAKETIME_DONT_FAKE_MONOTONIC=1 NO_FAKE_STAT=1" start_web_app "${@:2}"
}

# set_clock TIME: sets the program's clock to TIME, in seconds since 1970 or in a form that date(1) reads.
set_clock() {
  local time=$1
  [[ $time =~ ^[0-9.]+$ ]] || time=$(date -d "$time" +%s.%N)
  # Renamed into place, so that the program never reads half of it.
  awk -v to="$time" -v from="$EPOCHREALTIME" 'BEGIN { printf "%+.3f\n", to - from }' >"$set_by.new"
  mv "$set_by.new" "$set_by"
}

visit_time() { visit | jq -r .time; }

# says TIME: a visit made now has that time, or up to a minute more on a slow machine.
says() {
  local time since
  time=$(visit_time)
  since=$(($(date -d "$time" +%s) - $(date -d "$1" +%s)))
  [ "$since" -ge 0 ] && [ "$since" -lt 60 ] || fail "it is $1, but the visit is of $time"
}

has_visits() { [ "$(count_visits)" -ge "$1" ]; }

# steps_back: prints how often a line of the file has an earlier second than the line before.
steps_back() {
  cut -c 1-19 "$data/visits.txt" | awk 'NR > 1 && $0 < before { back++ } { before = $0 } END { print back + 0 }'
}

# step_under_load SYNC WORKERS: sets the clock back and forth under load.
step_under_load() {
  local times=("2026-03-01 12:00:00Z" "2026-03-01 11:59:59Z" "2026-03-01 12:00:00Z" "2022-11-28 00:00:00Z" "2038-01-19 03:14:07Z") step
  start_clocked "${times[0]}" --sync "$1" --workers "$2" || return
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --visits-per-connection 5 --seconds 60
  for ((step = 1; step <= 50; step++)); do
    set_clock "${times[step % 5]}"
    try --max "$patience" --delay 0.02 -- has_visits $(($(count_visits) + 40)) || return
  done
  kill "$background"
  wait "$background"
  assert_regex "$(cat "$BATS_TEST_TMPDIR/summary")" '^acknowledged [0-9]+ refused 0 errors 0 unanswered 0$' || return
  assert_recorded "$BATS_TEST_TMPDIR/out" || return
  assert_visits "$(wc -l <"$BATS_TEST_TMPDIR/out")" || return
  assert_equal "$(cut -f 1 "$BATS_TEST_TMPDIR/out" | sort -n | tail -n 1)" "$(count_visits)" || return
  # Otherwise nothing was tested: two of five steps go back by more than the file's last lines.
  [ "$(steps_back)" -ge 20 ] || fail "the clock went back $(steps_back) times only"
}

# last_years: visits around the end of the year 9999.
last_years() {
  start_clocked "2026-03-01 12:00:00Z" --timezone UTC0
  visit 2 >/dev/null
  set_clock 253402300000 # 9999-12-31 23:46:40
  assert_regex "$(visit_time)" '^9999-12-31 23:4[0-9]:[0-9.]{9}\+00:00$' || return
  set_clock 253402300801 # 10000-01-01 00:00:01
  assert_equal "$(status_of /)" 503 || return
  assert_equal "$(visit_json | jq -r 'has("error")')" true || return
  assert_equal "$(metric 'web_app_visit_errors_total{reason="clock"}')" 2 || return
  assert_equal "$(admin /healthz)" ok || return
  assert_visits 3 || return
  set_clock "2026-03-01 12:00:00Z"
  assert_equal "$(visit | jq .visit)" 4 || return
  assert_visits 4
}

visit_json() { curl -sS --max-time 20 -H 'Accept: application/json' "http://127.0.0.1:$port/"; }

# set_back: each visit has the time to which the clock was set.
set_back() {
  start_clocked "2026-03-01 12:00:00Z"
  says "2026-03-01 12:00:00Z" || return
  set_clock "2026-03-01 11:00:00Z"
  says "2026-03-01 11:00:00Z" || return
  set_clock "2026-07-01 00:00:00Z"
  says "2026-07-01 00:00:00Z" || return
  set_clock "1999-12-31 23:59:00Z"
  says "1999-12-31 23:59:00Z" || return
  assert_visits 4
}

# end_of_summer_time: visits before, during and after the end of summer time in Berlin, where an hour occurs twice.
end_of_summer_time() {
  start_clocked "2026-10-25 00:30:00Z" --timezone Europe/Berlin
  assert_regex "$(visit_time)" '^2026-10-25 02:3[0-9]:.*\+02:00$' || return
  set_clock "2026-10-25 00:59:58.500Z"
  visit >/dev/null
  visit_in_winter() { [[ $(visit_time) == *+01:00 ]]; }
  try --max "$patience" --delay 0.05 -- visit_in_winter || fail "summer does not end" || return
  set_clock "2026-10-25 01:30:00Z"
  assert_regex "$(visit_time)" '^2026-10-25 02:3[0-9]:.*\+01:00$' || return
  assert_visits "$(count_visits)" || return
  # The local hour occurs twice, but the moments of the lines are in order.
  assert_equal "$(cut -c 27- "$data/visits.txt" | uniq | tr '\n' ' ')" "+02:00 +01:00 " || return
  date -f "$data/visits.txt" +%s.%N | sort -c -n || fail "the visits are not in order"
}

# keeps_its_start: the metric of the start time has the clock's time at the start, and never changes.
keeps_its_start() {
  local first time
  start_clocked "2026-03-01 12:00:00Z"
  first=$(metric process_start_time_seconds)
  awk -v first="$first" -v then="$(date -d "2026-03-01 12:00:00Z" +%s)" 'BEGIN { exit !(first >= then - 1 && first < then + 60) }' ||
    fail "it was started at $first" || return
  for time in "2026-03-01 11:59:59Z" "2022-11-28 00:00:00Z" "2038-01-19 03:14:07Z"; do
    set_clock "$time"
    says "$time" || return
    assert_equal "$time: $(metric process_start_time_seconds)" "$time: $first" || return
  done
}

@test "while the clock steps back and forth under load no visit is lost, and lines stay in the order of the numbers" {
  clocked_program
  step_under_load always 1
}

@test "the same with two threads and --sync=none" {
  clocked_program
  step_under_load none 2
}

@test "each visit has the time of the clock, even after the clock was set back" {
  clocked_program
  set_back
}

@test "the metric of the start time does not follow the clock" {
  clocked_program
  keeps_its_start
}

@test "the start time has fractions of a second, and is the same at each scrape" {
  local before=$EPOCHREALTIME after values=()
  start_web_app
  after=$EPOCHREALTIME
  # For more than a second, because an error may show only in a part of each second.
  while [ "$(awk -v from="$after" -v to="$EPOCHREALTIME" 'BEGIN { print to - from < 1.2 }')" = 1 ]; do
    values+=("$(metric process_start_time_seconds)")
  done
  mapfile -t values < <(printf '%s\n' "${values[@]}" | sort -u)
  assert_equal "${#values[@]} value: ${values[*]}" "1 value: ${values[0]}"
  assert_regex "${values[0]}" '^[0-9]+\.[0-9]{2}$'
  # The kernel gives it in hundredths of a second.
  awk -v value="${values[0]}" -v before="$before" -v after="$after" 'BEGIN { exit !(value > before - 0.05 && value < after + 0.05) }' ||
    fail "it was started between $before and $after, and says ${values[0]}"
}

@test "visits of the year 9999 are recorded, those of 10000 refused with 503 and reason clock, later ones recorded" {
  clocked_program
  last_years
}

@test "at the end of summer time the offset changes, and no line is out of order" {
  clocked_program
  end_of_summer_time
}

@test "a line with second 60, which another program may have written, counts as a visit, even as the last line" {
  data=$BATS_TEST_TMPDIR/data
  mkdir "$data"
  printf '2016-12-31 23:59:59.500000+00:00\n2016-12-31 23:59:60.123456+00:00' >"$data/visits.txt"
  start_web_app
  assert log_has "\(2 so far\)"
  refute log_has "torn|not visits"
  run get "/visits?format=json&tail=1"
  assert_equal "$(jq -r '.visits[0].time' <<<"$output" | cut -c 1-19)" "2016-12-31 23:59:60"
  assert_equal "$(visit | jq .visit)" 3
  assert_visits 3
}

@test "each accepted TZ string gives the times that POSIX defines" {
  timestamps_program
  times_are_right 80 strings
}

@test "each accepted zone of this machine gives the times that its file defines" {
  timestamps_program
  times_are_right 300 files /usr/share/zoneinfo
}

@test "a TZ string that the C library misreads or a line cannot express is refused with the reason" {
  local in_front=(timeout 20)
  refused_zone CET-1CEST "does not say when its daylight saving time starts and ends"
  refused_zone CET-1CEST-2 "does not say when its daylight saving time starts and ends"
  refused_zone "XYZ-3:30:30" "offset from UTC with seconds"
  refused_zone CET-1CEST-2:00:01,M3.5.0,M10.5.0 "offset from UTC with seconds"
  refused_zone XYZ-24:59 "offset from UTC of 24 hours or more"
  refused_zone EST5EDT,0/0,J365/25 "rules that the C library misreads"
}

@test "a zone file that is damaged, counts leap seconds or is misread by the C library is refused with the reason" {
  requires root command:zic
  own_zones
  local in_front=(timeout 20 "${in_own_zones[@]}") zone
  # Summer has no rule for the time after its last change, in the year 2392.
  for zone in Cut Footless Version1 Text Summer; do refused_zone "Own/$zone" "a zone file that is damaged"; done
  for zone in Rules Fixed; do refused_zone "right/Own/$zone" "counts leap seconds"; done
  for zone in Seconds Soon; do refused_zone "Own/$zone" "offset from UTC with seconds"; done
  # Valid zones in the same directory are accepted.
  IN_FRONT="${in_own_zones[*]}" start_web_app --timezone Own/Fixed
  assert_regex "$(visit_time)" '-03:30$'
  stop_web_app
  IN_FRONT="${in_own_zones[*]}" start_web_app --timezone Own/Rules
  assert_regex "$(visit_time)" '\+0[12]:00$'
}

@test "after a change of the zone between two runs old lines stay as they are, and new ones have the new offset" {
  start_web_app --timezone Asia/Kolkata
  visit 2 >/dev/null
  stop_web_app
  cp "$data/visits.txt" "$BATS_TEST_TMPDIR/before"
  DATA=$data start_web_app --timezone America/Caracas
  assert_equal "$(visit | jq .visit)" 3
  stop_web_app
  DATA=$data start_web_app --timezone XYZ+11:30
  assert_equal "$(visit | jq .visit)" 4
  assert_visits 4
  cmp <(head -n 2 "$data/visits.txt") "$BATS_TEST_TMPDIR/before"
  assert_equal "$(cut -c 27- "$data/visits.txt" | tr '\n' ' ')" "+05:30 +05:30 -04:00 -11:30 "
  # In any zone, the moments of the lines are in order.
  date -f "$data/visits.txt" +%s.%N | sort -c -n
}

@test "control: a program that computes its start time at each scrape is found out" {
  clocked_program start-time-follows-clock
  run keeps_its_start
  assert_failure
  assert_output --partial "expected : 2026-03-01 11:59:59Z: 17"
}

@test "control: a program that keeps the text of a second when the clock goes back is found out" {
  clocked_program keeps-second-when-set-back
  run set_back
  assert_failure
  assert_output --partial "it is 2026-03-01 11:00:00Z, but the visit is of 2026-03-01 15:0"
}

@test "control: a program that does not write lines older than its last one is found out" {
  clocked_program drops-older-lines
  patience=25
  run step_under_load always 1
  assert_failure
  assert_output --partial "gave up after"
  # The clock went far back, so nothing was written from then on; the visits acknowledged meanwhile are lost.
  data=$BATS_TEST_TMPDIR/data
  run assert_recorded "$BATS_TEST_TMPDIR/out"
  assert_failure
  assert_output --partial "is in the file as"
}

@test "control: a program with five-digit years, and one that keeps its first offset for ever, are found out" {
  clocked_program years-of-five-digits
  patience=60
  run last_years
  assert_failure
  assert_output --partial "expected : 503"
  stop_clocked
  clocked_program keeps-first-offset
  run end_of_summer_time
  assert_failure
  assert_output --partial "summer does not end"
}

@test "control: programs that accept rules at New Year, a name without rules, or seconds in an offset are found out" {
  timestamps_program accepts-rules-at-new-year
  run times_are_right 80 strings
  assert_failure
  assert_output --partial "of EST5EDT,0/0,J365/25 should be"
  timestamps_program accepts-zone-without-rules
  run times_are_right 80 strings
  assert_failure
  assert_output --partial "of CET-1CEST should be"
  timestamps_program accepts-seconds-in-offset
  run times_are_right 80 strings
  assert_failure
  assert_output --partial "of <+0330>-3:30:30 should be"
}

@test "control: a program that accepts a zone with leap seconds is found out" {
  requires root command:zic
  own_zones
  rm "$own_zones"/Own/{Cut,Footless,Version1} # Python reads none of them
  timestamps_program accepts-leap-seconds
  run "${in_own_zones[@]}" "$TOOLS/zones.py" files "$timestamps" "$own_zones"
  assert_failure
  assert_output --partial "of right/Own/Rules should be"
}
