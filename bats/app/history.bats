# The listing /visits by time: a part of it, pages, a plot, and downloads.

load ../lib/mutants

# history KIND [COUNT]: makes a data directory of such visits, see bats/tools/history.py.
history() {
  mkdir -p "$BATS_TEST_TMPDIR/data"
  "$TOOLS/history.py" "$@" >"$BATS_TEST_TMPDIR/data/visits.txt"
}

# by_time FROM TO [FORMAT]: gets these visits.
by_time() { get "/visits?format=${3:-raw}&from=$1&to=$2"; }

# between FROM TO: prints the lines of the file from FROM on and before TO, by comparing text.
between() { awk -v from="$1" -v to="$2" '$0 >= from && $0 < to' "$data/visits.txt"; }

selects() {
  local from to
  while IFS=, read -r from to; do
    diff <(by_time "$from" "$to") <(between "${from/T/ }" "${to/T/ }") || fail "from=$from to=$to" || return
  done <<'END'
2023-11-15,2023-11-16
2023-11-15T10:30,2023-11-15T10:31
2023-11-15T10:30:07,2023-11-15T10:30:07.500000
2023-11,2023-12
2023-11-16T15,2023-11-16T17
2024-01-01,2024-02-01
2020-01-01,2021-01-01
2023-11-16,2023-11-15
END
}

@test "from= and to= select the visits of a time, as the verb visits does" {
  history burst 20000
  start_web_app
  selects
  diff <(by_time 2023-11-16T14 2023-11-17) <(web_app visits --raw --since "2023-11-16 14" --until 2023-11-17 --data-dir "$data")
  assert_equal "$(get '/visits?from=2023-11-17' | wc -l)" "$(between 2023-11-17 3 | wc -l)"
  assert_equal "$(get '/visits?to=2023-11-15' | wc -l)" "$(between 2 2023-11-15 | wc -l)"
  # As a form sends it, with an offset, and with an empty field.
  diff <(by_time 2023-11-15T10%3A30 2023-11-15%2010%3a31) <(by_time 2023-11-15T10:30 2023-11-15T10:31)
  diff <(by_time 2023-11-15T07:30:00%2B00:00 2023-11-15T07:31:00+00:00) <(by_time 2023-11-15T10:30 2023-11-15T10:31)
  assert_equal "$(get '/visits?from=&to=' | wc -l)" 20000
}

@test "control: a search that ends one line too early is found out" {
  mutant finds-one-line-early
  history burst 20000
  start_web_app
  run selects
  assert_failure
  assert_output --partial "from=2023-11-15 to=2023-11-16"
}

@test "every format has the same part, with its numbers" {
  history burst 20000
  start_web_app
  local first
  first=$(($(between 2 2023-11-16 | wc -l) + 1))
  by_time 2023-11-16 2023-11-17 >"$BATS_TEST_TMPDIR/raw"
  cat -n "$data/visits.txt" | sed -n "$first,$((first + $(wc -l <"$BATS_TEST_TMPDIR/raw") - 1))p" |
    diff - <(by_time 2023-11-16 2023-11-17 text)
  sed 's/^ *//;s/\t/,/' <(by_time 2023-11-16 2023-11-17 text) | diff - <(by_time 2023-11-16 2023-11-17 csv | tail -n +2)
  assert_equal "$(by_time 2023-11-16 2023-11-17 csv | head -n 1)" visit,time
  jq -r '.visits[] | "\(.visit),\(.time)"' <(by_time 2023-11-16 2023-11-17 json) | diff - <(by_time 2023-11-16 2023-11-17 csv | tail -n +2)
  run get '/visits?format=raw&from=2023-11-16&to=2023-11-17' -I
  assert_line --regexp "^Content-Length: $(wc -c <"$BATS_TEST_TMPDIR/raw")"
  run by_time 2023-11-16 2023-11-17 html
  assert_line --regexp "^<h1>$(wc -l <"$BATS_TEST_TMPDIR/raw" | sed 's/\(...\)$/,\1/') visits</h1>"
}

# numbers QUERY: the numbers that a listing as text has.
numbers() { get "/visits?format=text&$1" | awk '{ print $1 }' | paste -sd ' '; }

@test "before= and tail= make pages, also where the lines have different lengths" {
  mkdir "$BATS_TEST_TMPDIR/data"
  awk 'BEGIN { for (i = 1; i <= 20000; i++) printf "2022-11-28 22:54:26.%d+03:00\n", 10 ^ (i % 5 + 1) }' >"$BATS_TEST_TMPDIR/data/visits.txt"
  start_web_app
  assert_equal "$(numbers 'before=101&tail=3')" "98 99 100"
  assert_equal "$(numbers 'before=3')" "1 2"
  assert_equal "$(numbers 'before=1')$(numbers before=0)" ""
  assert_equal "$(numbers 'before=99999&tail=1')" 20000
  get '/visits?before=2000&tail=5&format=raw' | diff - <(sed -n 1995,1999p "$data/visits.txt")
  visit 2 >/dev/null
  assert_equal "$(numbers 'before=20002&tail=3')" "19999 20000 20001"
  run get '/visits?format=html&before=20002&tail=3'
  assert_equal "$(grep -o '^<tr><td>[0-9]*' <<<"$output" | tr -dc '0-9\n' | paste -sd ' ')" "20001 20000 19999"
  assert_output --partial 'Line 20,000 is not a visit in the usual form.'
  assert_line --partial '<a href="?tail=3&amp;before=19999">Older</a>'
  assert_line '<a href="?tail=3">Newer</a>'
}

@test "a wrong parameter is refused with a line that names it and has an example, which is accepted" {
  start_web_app
  visit >/dev/null
  local parameter example
  for parameter in format=xml format= tail=x tail=-1 tail= before=1.5 before=x from=x from=2022-13-01 from=2022-02-30 \
    from=2022-11-28T24 from=2022-11-28T22:54:26.913511%2B03:00:00 to=28.11.2022 to=%zz to=22-11-28 from=%00; do
    run curl -sS --max-time 20 -w '%{http_code}\n' "http://127.0.0.1:$port/visits?$parameter"
    assert_equal "${#lines[@]}" 2
    assert_line --index 0 --regexp "^${parameter%%=*} is .*; for example ${parameter%%=*}=[^ ]+$"
    assert_line --index 1 400
    example=${lines[0]##* }
    assert_equal "$(status_of "/visits?$example")" 200
  done
}

@test "CSV and the raw file are downloads with a name, and text and JSON are not" {
  start_web_app
  visit >/dev/null
  run get '/visits?format=csv' -i
  assert_line --regexp "^Content-Disposition: attachment; filename=\"$(hostname)-visits.csv\""
  assert_line --regexp '^Content-Type: text/csv; charset=utf-8; header=present'
  run get '/visits?format=raw' -i
  assert_line --regexp "^Content-Disposition: attachment; filename=\"$(hostname)-visits.txt\""
  for format in text json html; do
    run get "/visits?format=$format" -I
    refute_output --partial Content-Disposition
  done
  assert_output --partial "Content-Security-Policy: default-src 'none'"
}

# page_reads KIND: sets $reads to how often the program reads from the file of three million visits for a page. It reads at most
# 16 KiB at a time. What time that takes depends on the machine: `./build.sh bench` measures it.
page_reads() {
  local calls=$BATS_TEST_TMPDIR/calls
  requires command:strace
  history "$1" 3000000
  DATA=$BATS_TEST_TMPDIR/data IN_FRONT="strace -D -f --seccomp-bpf -qq -o $calls -e trace=accept4,pread64" start_web_app
  get '/visits?format=html' >"$BATS_TEST_TMPDIR/html"
  stop_web_app || return
  reads=$(awk '/accept4\(.* = [0-9]/ { reads = 0 } /pread64\(/ { reads++ } END { print reads }' "$calls")
  echo "# $1: $reads reads" >&3
  assert_equal "$("$TOOLS/history.py" bars <"$BATS_TEST_TMPDIR/html")" 3000000
}

@test "a page of 3,000,000 visits, in a burst or all over a year, takes at most 12,000 reads and has a bar for each" {
  local kind
  for kind in burst year; do
    page_reads "$kind"
    [ "$reads" -le 12000 ] || fail "$kind: $reads reads"
  done
}

@test "control: a program that reads line by line is found out" {
  mutant searches-line-by-line
  page_reads year
  [ "$reads" -gt 12000 ] || fail "$reads reads"
}

plots() {
  history year 3000000
  start_web_app --sync none
  run timeout 60 "$TOOLS/listing.py" --port "$port" --file "$data/visits.txt" plotted
}

@test "while a page of visits is counted, visits are served" {
  plots
  assert_success
}

@test "control: a program that counts in one go is found out" {
  mutant counts-at-once
  plots
  assert_failure
  assert_output --regexp '^only [0-9]+ visits were acknowledged'
}

@test "the busiest hour is the one with the most visits" {
  history burst 20000
  start_web_app
  run get '/visits?format=html'
  local wanted
  wanted=$(cut -c 1-13 "$data/visits.txt" | uniq -c | sort -rn | awk 'NR == 1 { printf "%s,%s<small>%s %s:00</small>", substr($1, 1, length($1) - 3), substr($1, length($1) - 2), $2, $3 }')
  assert_output --partial "<dt>Busiest hour<dd>$wanted"
  assert_output --partial "<dt>Today<dd>0</div><div><dt>Last hour<dd>0</div>"
  visit 3 >/dev/null
  run get '/visits?format=html'
  assert_output --partial "<dt>Today<dd>3</div><div><dt>Last hour<dd>3</div>"
}

@test "a clock that was set back is named, and every visit is in a bar" {
  history back
  start_web_app
  run get '/visits?format=html'
  assert_output --partial 'The clock was set back after visit 300.'
  assert_equal "$("$TOOLS/history.py" bars <<<"$output")" 1000
}

@test "where summer time begins or ends, bars follow the local time, and every visit is in one" {
  local kind
  for kind in summer winter; do
    history "$kind"
    DATA=$BATS_TEST_TMPDIR/data start_web_app --timezone Europe/Berlin
    run get '/visits?format=html'
    assert_equal "$("$TOOLS/history.py" bars <<<"$output")" "$(count_visits)"
    stop_web_app
  done
  # The hour from two to three comes twice: the links of its bars differ in the offset.
  assert_output --partial 'from=2026-10-25T02:00:00+02:00&amp;to=2026-10-25T02:10:00+02:00'
  assert_output --partial 'from=2026-10-25T02:00:00+01:00&amp;to=2026-10-25T02:10:00+01:00'
  # The night of March has five hours from midnight to six.
  DATA=$BATS_TEST_TMPDIR/summer
  mkdir "$DATA"
  "$TOOLS/history.py" summer >"$DATA/visits.txt"
  start_web_app --timezone Europe/Berlin
  run get '/visits?format=html'
  assert_output --partial '<title>2026-03-29 00:00:00: 5</title>'
  assert_output --partial '<title>2026-03-29 06:00:00: 6</title>'
}
