# The checker of `web-app prove`: ledgers and files with planted faults, without a server. What the statements mean is in
# bats/tools/proofs.py; bats/tools/audit.py counts the result of each check anew.

load ../lib/mutants

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# proofs: the statements on stdin hold.
proofs() {
  run "$TOOLS/proofs.py" "$WEB_APP"
  assert_success
}

@test "what is whole is proven" {
  proofs <<'END'
plant
gives 0 : ^PROVEN: 33 acknowledged visits are in the file of 1 pod, each once and on its line, but no fault was seen$
pod found=33 moved=0 lost=0 lost_within_grace=0 before=20 nobodys=0 twice=0 lines=53 history="same" lost_numbers=[] diagnosis=""
gives 0 --alone --max-gap 0ms --max-refused 0 --grace 60m : ^PROVEN: 33
is .seconds == 3 and (.targets | map([.connections, .due]) == [["new", 16], ["kept", 17]])
END
}

lost_lines_are_found() {
  proofs <<'END'
# of long ago: all visits have moved
plant
edit web-0.txt 1d
gives 3 : ^LOST: 0 of 33 .*history changed.*33 on another line
pod found=0 moved=33 lost=0 before=19
# the first visit
plant
edit web-0.txt 21d
gives 3 : ^LOST: 1 of 33 acknowledged visits; pod web-0: .*32 on another line
pod found=0 moved=32 lost=1 holes=1 lost_numbers=[[21,21]]
# in the middle
plant
edit web-0.txt 40,41d
gives 3 : ^LOST: 2 of 33 acknowledged visits; pod web-0: .*holes.*12 on another line$
pod found=19 moved=12 lost=2 holes=2 tail=0 history="same" lost_numbers=[[40,41]]
plant
edit web-0.txt 30d;40,41d
gives 3 : ^LOST: 3 of 33
pod lost_numbers=[[30,30],[40,41]]
# at the end
plant
edit web-0.txt $d
gives 3 : ^LOST: 1 of 33 acknowledged visits; pod web-0: .*lost tail
pod found=32 lost=1 holes=0 tail=1 lost_numbers=[[53,53]]
plant
edit web-0.txt 44,53d
gives 3 : ^LOST: 10 of 33 acknowledged visits; pod web-0: .*lost tail
pod tail=10 tail_least_us=0 tail_most_us=900000 lost_numbers=[[44,53]]
END
}

@test "a lost line is found, at the beginning, in the middle and at the end" { lost_lines_are_found; }

@test "a line without its newline is lost; the beginning of the next one is nobody's" {
  whole=$'plant\ngives 0 : ^PROVEN: 33'
  proofs <<<"$whole"
  truncate -s -1 web-0.txt
  proofs <<<$'only web-0\ngives 3 : ^LOST: 1 of 33 .*lost tail'
  proofs <<<"$whole"
  printf 2026 >>web-0.txt
  proofs <<<$'only web-0\ngives 0 --alone : ^PROVEN: 33'
}

@test "a changed visit is a hole, and its line nobody's" {
  proofs <<'END'
plant
edit web-0.txt 40s/:/;/
gives 3 : ^LOST: 1 of 33 .*holes
pod holes=1 nobodys=1 found=32 lost_numbers=[[40,40]]
# another offset is another time
plant
edit web-0.txt 40s/00$/01/
gives 3 : ^LOST: 1 of 33 .*holes
pod holes=1 nobodys=1
plant
edit web-0.txt 40s/$/ /
gives 3 : ^LOST: 1 of 33 .*holes
plant
edit web-0.txt 40s/.*//;45s/.*/&\x00/
gives 3 : ^LOST: 2 of 33 .*holes
pod lost_numbers=[[40,40],[45,45]]
END
}

@test "visits on each other's lines have moved" {
  proofs <<'END'
plant
edit web-0.txt 40{h;d};41G
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: 2 on another line$
pod found=31 moved=2 lost=0 twice=0
END
}

@test "a line too many is found" {
  proofs <<'END'
plant
edit web-0.txt $p
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: 1 twice$
pod found=33 twice=1 lines=54
plant
edit web-0.txt 40{p;p}
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: 13 on another line, 2 twice$
pod found=20 moved=13 twice=2
END
}

@test "an empty file, and one that has begun anew, is wiped" {
  proofs <<'END'
plant
edit web-0.txt d
gives 3 : ^LOST: 33 of 33 acknowledged visits; pod web-0: wiped: its file is empty
pod lost=33 lines=0 lost_numbers=[[21,53]]
# nothing was in it before the visits
plant server always, visits 3, baseline, visits 30
edit web-0.txt d
gives 3 : ^LOST: 33 of 33 acknowledged visits; pod web-0: wiped
plant history 20, server always, visits 3, baseline, visits 30, forget all, server always, visits 5
gives 3 : ^LOST: 33 of 38 acknowledged visits; pod web-0: wiped: its file begins anew at 2026-.*, its numbers went back from 53 to 1$
pod found=5 lost=33 lines=5 went_back=1 restarts=1 lost_numbers=[[21,53]]
# it has overtaken the old one
plant history 20, server always, visits 3, baseline, visits 30, forget all, server always, visits 90
gives 3 : ^LOST: 33 of 123 acknowledged visits; pod web-0: wiped: its file begins anew at 2026-
pod found=90 lost=33 lines=90
END
}

@test "an older copy is rolled back, also after it has overtaken the old one" {
  proofs <<'END'
plant
edit web-0.txt 11,53d
gives 3 : ^LOST: 33 of 33 acknowledged visits; pod web-0: rolled back to line 10 of 2025-12-31 00:00:09.000000\+00:00
pod lost=33 lines=10 before=10 history="short"
plant history 20, server always, visits 3, baseline, visits 30, forget 40, server always, visits 60
gives 3 : ^LOST: 33 of 93 acknowledged visits; pod web-0: rolled back to line 13 of 2025-12-31 00:00:12.000000\+00:00
pod found=60 lost=33
# older than what a page cache holds back
plant history 20, server always, visits 3, baseline, visits 30, pass 600, visits 10, forget 30, server always, visits 60
gives 3 : ^LOST: 30 of 103 acknowledged visits; pod web-0: rolled back to line 33 of 2026-
pod found=73 lost=30
END
}

@test "another file is another volume" {
  proofs <<'END'
plant
edit web-0.txt s/^2026/2024/;s/^2025/2023/
gives 3 : ^LOST: 33 of 33 acknowledged visits; pod web-0: another volume: its file begins with 2023-12-31 .* and not with 2025-12-31 00:00:00.000000\+00:00
pod lost=33 history="other file"
edit web-0.txt 2,53d
gives 3 : ^LOST: 33 of 33 acknowledged visits; pod web-0: another volume
# it has been visited since
plant history 20, server always, visits 3, baseline, visits 30, forget all, history 9, server always, visits 60
edit web-0.txt 1,9s/^202[56]/2023/
gives 3 : ^LOST: 33 of 93 acknowledged visits; pod web-0: another volume: .*, its numbers went back from 53 to 10$
END
}

one_byte_is_enough() {
  proofs <<'END'
plant
edit web-0.txt 2s/:00$/:01/
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: history changed .*\b2$
pod found=33 lost=0 history="changed"
plant
edit web-0.txt 10s/:00$/:01/
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: history changed .*\b10$
plant
edit web-0.txt 1s/:00$/:01/
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: history changed
# between two of the marks
plant history 500, server always, visits 3, baseline, visits 30
edit web-0.txt 105s/:00$/:01/
gives 3 : ^LOST: 0 of 33 acknowledged visits; pod web-0: history changed between line 94 and line 124$
# visits that may have been recorded do not excuse it
plant history 20, server always, visits 3, baseline, visits 10, unknown 30, refused 30, visits 4
edit web-0.txt 10s/:00$/:01/
gives 3 : ^LOST: 0 of 17 acknowledged visits; pod web-0: history changed
END
}

@test "one byte of the history is enough" { one_byte_is_enough; }

@test "a number that was given twice loses the older visit" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, visits 10, clash, visits 5
gives 3 : ^LOST: 1 of 20 acknowledged visits; pod web-0:
pod found=19 lost=1 lost_numbers=[[34,34]]
END
}

@test "numbers that go back are a loss, although others have overtaken them, and although the file is not read" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, visits 30, forget 10, server always, visits 40
gives 3 : ^LOST: 10 of 73 acknowledged visits; pod web-0: .*lost tail.*, its numbers went back from 53 to 44$
pod found=63 lost=10 went_back=1 lost_numbers=[[44,53]]
plant history 20, server always, visits 3, forget 3, visits 40, pod web-1, visits 2
only web-1
gives 3 : ^LOST: .* pod web-0: its numbers went back from 23 to 21
END
}

@test "visits at the same time may be acknowledged in any order" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, together 8, visits 5, together 8
gives 0 : ^PROVEN: 24
pod went_back=0 found=24
END
}

@test "a torn ledger checks less, and accuses nobody, wherever it is torn" {
  proofs <<'END'
plant
torn
# the line of the visit that is not acknowledged then may have been recorded
gives 0 --alone : ^PROVEN: 32
pod found=32 unknown_recorded=1
# what is torn off is no excuse
edit web-0.txt $d
gives 0 --alone : ^PROVEN: 32
edit web-0.txt $d
gives 3 --alone : ^LOST: 1 of 32
END
}

@test "an unreadable line in the middle is named, and accuses nobody" {
  local change
  # Line 51 is `sent`, line 52 `acknowledged`.
  for change in '51s/.*/nonsense/' '51s/\t/ /' '51s/$/\tmore/' '51s/[^\t]*$//' '51s/sent/Sent/' '51s/\t[0-9]/\t-/' \
    '51s/\t[0-9]*\t/\t99999999999999999999\t/' '51s/$/\x00/' '52s/:/;/' '52s/2026/0000/' '52s/web-0/web,0/' '51s/sent/acknowledged/' \
    '52s/\t[0-9]*$/&00000000000000000000/' '52s/web-0/a&&&&&&&&&&&&&/'; do
    printf '%s\n' plant "edit ledger $change" 'edit web-0.txt d' 'complains 1 : ledger: line 5[12] is not a line of a ledger$'
  done >statements
  proofs <statements
}

@test "a line that contradicts those before it is named, and accuses nobody" {
  local change
  for change in '51d' '52p' '51s/[0-9]*$/7/' '51{h;d};52G' '$s/\t[0-9]*\t/\t1\t/' '3,4d' '4s/kept/new/;4s/\t1\t/\t0\t/' '3s/\t0\t/\t128\t/' \
    '/^baseline/p' '/^mark/p' '/^server/s/[^\t]*$/never/' '53,54s/\t12\t/\t11\t/' '51p'; do
    printf '%s\n' plant "edit ledger $change" 'edit web-0.txt d' 'complains 1 : ledger: line [0-9]+ contradicts the lines before it$'
  done >statements
  proofs <statements
}

@test "what is no ledger, or one of another version, is refused" {
  proofs <<'END'
plant
edit ledger 1s/1$/2/
complains 1 : ledger: line 1 is not the first line of a ledger of this version$
edit ledger 1d
complains 1 : ledger: line 1 is not the first line of a ledger of this version$
edit ledger d
complains 1 : ledger
END
  head -c 100000 /dev/zero >ledger
  proofs <<<$'only web-0\ncomplains 1 : ledger: line 1 '
  rm ledger
  proofs <<<$'only web-0\ncomplains 1 : cannot read the ledger ledger: No such file or directory$'
  mkdir ledger
  proofs <<<$'only web-0\ncomplains 1 : .*ledger: .*Is a directory$'
}

@test "a ledger may have what a pod's log has beside it" {
  proofs <<'END'
plant
edit ledger 10s/^/# pod web-0\n/;20s/^/web-app: 10 s: 5 acknowledged\n/;30s/^/\n/;$s/$/\nPROVEN: all/
gives 0 : ^PROVEN: 33
END
}

@test "a visit without an outcome may be in the file or not" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, visits 10, unknown 3 recorded, unknown 2, visits 5
gives 0 --alone : ^PROVEN: 18 .*2 gaps
pod unknown_recorded=3 nobodys=0 found=18
plant history 20, server always, visits 3, baseline, visits 10, refused 3 recorded, refused 2, unsent 4, missed 6, visits 5
gives 0 --alone : ^PROVEN: 18 .*2 gaps
pod refused_recorded=3 nobodys=0 found=18
is .targets | map(.missed + .unsent) | add == 10
# not before it was sent
plant history 20, server always, visits 3, baseline, visits 10, nobody 1, pass 5, unknown 2, visits 4
gives 3 --alone : ^LOST: 0 of 17 .*of nobody
pod nobodys=1 unknown_recorded=0
# nor twice
plant history 20, server always, visits 3, baseline, visits 10, unknown 1 recorded, nobody 1, visits 4
gives 3 --alone : ^LOST: 0 of 17 .*of nobody
pod nobodys=1 unknown_recorded=1
END
}

@test "a line of nobody is a failure only with --alone" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, visits 10, nobody 4, visits 5
gives 0 : ^PROVEN: 18
pod nobodys=4
gives 3 --alone : ^LOST: 0 of 18 acknowledged visits; pod web-0: 4 .*of nobody
END
}

unread_is_not_proven() {
  proofs <<'END'
plant history 20, server always, visits 6, pod web-1, server always, visits 4
gives 0 : ^PROVEN: 10 acknowledged visits are in the files of 2 pods
only web-0
gives 1 : ^NOT PROVEN: the file of web-1 could not be read
only web-1
gives 1 : ^NOT PROVEN: the file of web-0 could not be read
plant visits 6, pod web-1, visits 4, pod web-2, visits 2
only web-0
gives 1 : ^NOT PROVEN: the file of web-1 could not be read, nor those of 1 other pod
END
}

@test "a pod whose file is absent is not proven, and not lost" { unread_is_not_proven; }

@test "if one of two pods has lost visits, the report says which" {
  proofs <<'END'
plant history 20, visits 6, pod web-1, visits 4
edit web-1.txt $d
gives 3 : ^LOST: 1 of 10 acknowledged visits; pod web-1: .*lost tail
is [.pods[] | [.name, .found, .lost]] == [["web-0", 6, 0], ["web-1", 3, 1]]
edit web-0.txt $d
gives 3 : ^LOST: 2 of 10 acknowledged visits; pod web-0: .*; 2 pods in all$
END
}

@test "a run without a visit proves nothing" {
  proofs <<'END'
plant history 20, server always, baseline
gives 1 : ^NOT PROVEN: no visit was acknowledged
plant unknown 4, refused 3, unsent 2
gives 1 : ^NOT PROVEN: no visit was acknowledged
# nor one that never got through over one kind of connection
plant visits 1
gives 1 : ^NOT PROVEN: no visit to http://web:8080/ over new connections was acknowledged
END
}

@test "--require-fault: a run without a fault proves nothing" {
  proofs <<'END'
plant
gives 1 --require-fault : ^NOT PROVEN: .*--require-fault
edit web-0.txt $d
gives 3 --require-fault : ^LOST:
plant server always, visits 4, server always, visits 4
gives 0 --require-fault : ^PROVEN: 8 .* through 1 restart and 0 gaps$
plant visits 4, unsent 1, visits 4
gives 0 --require-fault : ^PROVEN: 8 .* through 0 restarts and 1 gap, the longest of 0.[12] s$
END
}

@test "the budgets are kept, or exceeded" {
  proofs <<'END'
# each lane has a gap of 0.6 s
plant visits 4, refused 4, unsent 2, visits 4
gives 0 --max-gap 900ms --max-refused 4 : ^PROVEN: 8
gives 4 --max-gap 500ms : ^OVER BUDGET: a gap of 0.[678] s is longer than --max-gap
gives 4 --max-refused 3 : ^OVER BUDGET: 4 visits were refused, more than --max-refused
gives 4 --max-gap 0ms --max-refused 0 : ^OVER BUDGET:
END
}

@test "loss outranks what was not proven, and that outranks a budget" {
  proofs <<'END'
plant visits 4, refused 4, visits 4, pod web-1, visits 2
gives 4 --max-refused 3 : ^OVER BUDGET:
only web-0
gives 1 --max-refused 3 : ^NOT PROVEN:
edit web-0.txt $d
gives 3 --max-refused 3 : ^LOST:
END
}

the_grace_has_an_end() {
  proofs <<'END'
# at the end of the ledger, as after a power cut: with 10 visits a second the last 20 are younger than 2 s
plant history 20, server interval, visits 3, baseline, visits 60
edit web-0.txt 64,83d
gives 0 : ^PROVEN: 43 acknowledged visits .*, 20 lost within the grace
pod lost=0 lost_within_grace=20 grace_us=2000000 lost_numbers=[]
gives 3 --grace 0ms : ^LOST: 20 of 63 acknowledged visits; pod web-0: .*lost tail
pod lost=20 lost_within_grace=0 lost_numbers=[[64,83]]
gives 3 --grace 1s : ^LOST: 10 of 63 acknowledged visits; pod web-0: .*lost tail
pod lost=10 lost_within_grace=10 lost_numbers=[[64,73]]
edit web-0.txt 63d
gives 3 : ^LOST: 1 of 63
pod lost=1 lost_within_grace=20 lost_numbers=[[63,63]]
# before a restart
plant history 20, server interval, visits 3, baseline, visits 60, forget 20, unsent 5, server interval, visits 40
gives 0 : ^PROVEN: 83 .*, 20 lost within the grace, through 1 restart and 2 gaps
gives 3 --grace 0ms : ^LOST: 20 of 103 acknowledged visits; pod web-0: .*lost tail.*, its numbers went back from 83 to 64$
END
}

@test "what was acknowledged within the grace before an end may be lost" { the_grace_has_an_end; }

@test "the grace comes from the sync mode of the server" {
  proofs <<'END'
plant server always, visits 60, forget 1, server always, visits 10
gives 3 : ^LOST: 1 of 70
gives 0 --grace 200ms : ^PROVEN: 69 .* 1 lost within the grace
# not known: none
plant visits 60, forget 1, pass 1, visits 10
gives 3 : ^LOST: 1 of 70
plant server none, visits 500, forget 340, server none, visits 10
gives 0 : ^PROVEN: 170 .* 340 lost within the grace
pod grace_us=35000000
plant server none, visits 500, forget 360, server none, visits 10
gives 3 : ^LOST: 10 of 510
pod lost=10 lost_within_grace=350 lost_numbers=[[141,150]]
END
}

@test "the grace excuses no hole, no history, and nothing without an end" {
  proofs <<'END'
plant history 20, server none, visits 3, baseline, visits 30
edit web-0.txt 40s/:/;/
gives 3 : ^LOST: 1 of 33 .*holes
# lines of yesterday are gone with the visits
plant history 20, server none, visits 3, baseline, visits 10, forget all, server none, visits 30
gives 3 : ^LOST: .* pod web-0: wiped:
plant history 20, server none, visits 3, baseline, visits 10, forget 20, server none, visits 30
gives 3 : ^LOST: .* pod web-0: rolled back to line 13 of 2025-
# no process has ended
plant history 20, server interval, visits 3, baseline, visits 50, forget 15, visits 30
gives 3 : ^LOST: .*its numbers went back from 73 to 59
END
}

@test "the clocks of the prober and of the pod may differ by minutes" {
  local clock
  for clock in -3600 -300 0.5 300 3600; do
    printf '%s\n' "plant clock $clock, zone 330, history 20, server interval, visits 3, baseline, visits 10, unknown 3 recorded, visits 30, forget 5, unsent 2, server interval, visits 10" \
      'gives 0 --alone : ^PROVEN: 48 .* 5 lost within the grace' 'pod unknown_recorded=3 nobodys=0' \
      'gives 3 --grace 0ms : ^LOST: 5 of 53 .*lost tail' \
      "plant clock $clock, history 20, visits 3, baseline, visits 10, nobody 1, pass 5, unknown 2, visits 4" \
      'gives 3 --alone : ^LOST: 0 of 17 .*of nobody'
  done >statements
  proofs <statements
}

@test "a ledger may have several runs" {
  proofs <<'END'
plant history 20, server always, visits 3, baseline, visits 10, pass 3600, run, visits 10
gives 0 --alone : ^PROVEN: 23
edit web-0.txt 30d
gives 3 : ^LOST: 1 of 23 .*holes
END
}

@test "the text report says for people what the JSON says for machines" {
  proofs <<'END'
plant history 20, server interval, visits 3, baseline, visits 60, forget 20, unsent 5, server interval, visits 40, unknown 3
edit web-0.txt 30d;50,55d
gives 3 : ^LOST:
END
  run web_app prove --check ledger --file web-0=web-0.txt --grace 1s
  assert_failure 3
  assert_line "pod web-0, sync=interval, 1 restart: 103 acknowledged = $(jq -r '.pods[0] | "\(.found) found + \(.moved) moved + 17 lost + 10 lost within the grace of 1.0 s"' report.json)"
  assert_line --regexp '^  history: the first 23 lines are as '
  assert_line "  lost: 30, 50-55, 64-73"
  assert_line --regexp '^http://web:8080/ over new connections: 55 visits due = 51 acknowledged \+ 0 refused \+ 1 unknown \+ 3 not sent \+ 0 missed$'
  assert_line --regexp '^  latency since it was due: p50 2.0 ms, p90 2.0 ms, p99 2.0 ms, p99.9 2.0 ms, max 2.0 ms$'
}

@test "numbered lines, a pod that is unknown, and a pod that is named twice are refused" {
  proofs <<'END'
plant
only
complains 2 --file=web-9=web-0.txt : --file=web-9=web-0.txt: the ledger has no acknowledged visit of
complains 2 --file=web-0=web-0.txt --file=web-0=web-0.txt : --file=web-0=web-0.txt:
complains 1 --file=web-0=absent.txt : cannot read absent.txt: No such file or directory$
complains 1 --file=web-0=. : cannot read .: Is a directory$
edit web-0.txt =
edit web-0.txt N;s/\n/\t/
complains 2 --file=web-0=web-0.txt : web-0.txt has numbered lines; print them with web-app visits --raw$
END
}

@test "a report that cannot be written is no success" {
  proofs <<<'plant'
  run --separate-stderr web_app prove --check ledger --file web-0=web-0.txt --json /absent/report
  assert_complaint 2 '.*/absent/report: No such file or directory'
  run --separate-stderr web_app prove --check ledger --file web-0=web-0.txt --json /dev/full
  assert_failure 1
  assert_line --index -1 --regexp '^NOT PROVEN: .*report'
  assert_regex "$stderr" 'cannot write /dev/full: No space left on device'
}

# is_refused REGEX OPTION...: exit code 2, and one line that matches.
is_refused() {
  run --separate-stderr web_app prove "${@:2}"
  assert_complaint 2 "$1" || fail "$*"
}

@test "options that are not allowed are refused, each with its remedy" {
  local option value url
  proofs <<<'plant'
  while read -r option value; do
    is_refused "${option}[= ]" "$option=$value" http://127.0.0.1:1/
  done <<'ROWS'
--rate 0
--rate 10001
--rate 1.5
--for 0s
--for 5
--for 10081m
--connections old
--timeout 0s
--timeout 11m
--wait 1441m
--grace 61m
--max-gap -1s
--max-gap 1441m
--max-refused -1
--max-refused 1x
--json
--ledger
--check
--file web-0
--file =x
--file web-0=
--alone 1
--resume yes
--require-fault 1
ROWS
  for option in --tail=1 --raw --data-dir=x --listen=1; do is_refused "there is no option ${option%=*} here; see" "$option" http://127.0.0.1:1/; done
  is_refused '--check needs what to compare with: URLs of the pods, or --file POD=FILE' --check ledger
  for option in --ledger=other --resume --rate=5 --for=1s --connections=new; do
    is_refused "--check only compares; ${option%=*} is for visits" --check ledger "$option" http://127.0.0.1:1/
    is_refused "--check only compares; ${option%=*} is for visits" "$option" --check ledger --file=web-0=web-0.txt
  done
  is_refused '--file goes with --check LEDGER' --file web-0=web-0.txt http://127.0.0.1:1/
  is_refused 'prove needs a URL to visit'
  is_refused 'https://a/: there is no TLS' https://a/
  is_refused 'ftp://a/: ' ftp://a/
  for url in 'http://a{0..2/' 'http://a0..2}/' 'http://a{2..0}/' 'http://a{0..1}{0..1}/' 'http://a{a..b}/' 'http://a{}/'; do
    is_refused '.*[{]A..B[}] takes two numbers' "$url"
  done
  is_refused '.*more than 64 URLs; give fewer' 'http://a{0..64}/'
}

@test "whatever happens to a file, the checker says what an independent count says" {
  run "$TOOLS/damaged.py" --program "$WEB_APP" --rounds "$(rounds 150 5000)"
  echo "# $output" >&3
  assert_success
}

@test "for a visit the checker needs at most 32 bytes, beside 2 MB" {
  local visits=200000
  awk -v visits=$visits 'BEGIN {
    printf "web-app ledger\t1\nrun\t1000000\ttest\nlane\t1000000\t0\tnew\thttp://web/\n" >"ledger"
    for (i = 0; i < visits; i++) {
      time = sprintf("2026-01-01 00:%02d:%02d.%03d000+00:00", i / 60000, i / 1000 % 60, i % 1000)
      now = 1000000 + 1000 * i
      printf "sent\t%d\t%d\t0\nacknowledged\t%d\t%d\t0\tweb-0\t%d\t%s\t500\n", now, i, now + 500, i, i + 1, time >"ledger"
      print time >"web-0.txt"
    }
  }'
  proves_within() { (ulimit -v "$1" && web_app prove --check ledger --file web-0=web-0.txt); }
  # The address space of the released program; a sanitizer needs far more.
  if [ "$WEB_APP" = "$BUILD/web-app" ]; then run proves_within $((32 * visits / 1024 + 2048)); else run proves_within unlimited; fi
  assert_success
  assert_line --index -1 --regexp "^PROVEN: $visits "
}

# is_noticed MUTANT COMMAND: the checker with that bug fails the same test, with a verdict of another exit code.
is_noticed() {
  mutant "$1"
  run "$2"
  assert_failure
  assert_output --regexp 'line [0-9]+: gives [0-9]'
  assert_output --partial "the exit code is "
}

@test "control: a checker that takes a lost tail for found is found out" { is_noticed ignores-lost-tail lost_lines_are_found; }

@test "control: a checker that takes a pod for proven whose file it has not read is found out" {
  is_noticed takes-unread-for-proven unread_is_not_proven
}

@test "control: a checker that forgives more than the grace is found out" { is_noticed forgives-without-grace the_grace_has_an_end; }

@test "control: a checker that does not look at the history is found out" { is_noticed ignores-history one_byte_is_enough; }
