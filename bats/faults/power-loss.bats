# Power loss on real file systems: a disk is copied at one moment under load; after the journal's replay the copy has
# every visit that was acknowledged before. bats/tools/power.py explains how.

load ../lib/faults

setup() { requires_loop_devices; }

teardown() {
  stop_started
  unmount_all
}

# cut_power FILE-SYSTEM CUTS SYNC WORKERS [OPTION...]: see bats/tools/power.py.
cut_power() {
  requires "command:mkfs.$1" command:mkfs.xfs
  mkdir -p "$BATS_TEST_TMPDIR/work"
  "$TOOLS/power.py" --program "$WEB_APP" --work "$BATS_TEST_TMPDIR/work" --file-system "$1" --cuts "$2" \
    --workers "$4" "${@:5}" -- --sync "$3" 3>&-
}

# keeps_all FILE-SYSTEM WORKERS: with --sync=always no cut loses a visit.
keeps_all() {
  cuts=$(rounds 12 300)
  run cut_power "$1" "$cuts" always "$2"
  echo "# $output" >&3
  assert_success
  assert_output --regexp "^$1 seed [0-9]+ cuts $cuts acknowledged [0-9]{3,} lost 0$"
}

# loses_some FILE-SYSTEM SYNC WORKERS [CUTS]: the opposite: some acknowledged visits are lost.
loses_some() {
  run cut_power "$1" "${4:-4}" "$2" "$3"
  echo "# $output" >&3
  assert_failure 1
  assert_output --regexp "^$1 seed [0-9]+ cuts ${4:-4} acknowledged [0-9]+ lost [1-9][0-9]*$"
}

@test "power loss on ext4: every acknowledged visit is there" { keeps_all ext4 1; }
@test "power loss on xfs: every acknowledged visit is there" { keeps_all xfs 1; }
@test "power loss on btrfs: every acknowledged visit is there" { keeps_all btrfs 1; }

@test "power loss on ext4 with four workers: every acknowledged visit is there" { keeps_all ext4 4; }
@test "power loss on xfs with four workers: every acknowledged visit is there" { keeps_all xfs 4; }
@test "power loss on btrfs with four workers: every acknowledged visit is there" { keeps_all btrfs 4; }

@test "control: without a sync ext4 loses acknowledged visits" { loses_some ext4 none 1; }
@test "control: without a sync xfs loses acknowledged visits" { loses_some xfs none 1; }
@test "control: without a sync btrfs loses acknowledged visits" { loses_some btrfs none 1; }

@test "control: a program that acknowledges a visit before its sync is found out" {
  mutant acknowledges-before-sync
  loses_some ext4 always 1
}

@test "control: a program that syncs before it has appended the visits of all workers is found out" {
  mutant appends-after-sync
  loses_some ext4 always 4 30
}

@test "with --sync=interval a power loss takes the visits of the last seconds, and no others" {
  run cut_power ext4 "$(rounds 4 40)" interval 1 --seconds 3 --grace 2
  echo "# $output" >&3
  assert_success
}

# proves_cuts FILE-SYSTEM SYNC REGEX: `web-app prove` judges each of three cuts so; see bats/tools/power_prove.py.
proves_cuts() {
  requires "command:mkfs.$1" command:mkfs.xfs
  mkdir -p "$BATS_TEST_TMPDIR/work"
  run "$TOOLS/power_prove.py" --program "$WEB_APP" --work "$BATS_TEST_TMPDIR/work" --file-system "$1" --cuts 3 --sync "$2" 3>&-
  echo "# $output" >&3
  assert_success
  assert_output --regexp "^$1 sync $2: $3\$"
}

@test "prove: with --sync=always it finds nothing lost in any cut, without grace" {
  proves_cuts ext4 always '0/0 0 lost, 0/0 0 lost, 0/0 0 lost'
  rm -rf "$BATS_TEST_TMPDIR/work"
  proves_cuts xfs always '0/0 0 lost, 0/0 0 lost, 0/0 0 lost'
}

@test "prove: with --sync=none and interval it finds visits lost in a cut, and none beyond the grace of the mode" {
  proves_cuts ext4 none '3/0 [1-9][0-9]* lost, 3/0 [1-9][0-9]* lost, 3/0 [1-9][0-9]* lost'
  rm -rf "$BATS_TEST_TMPDIR/work"
  proves_cuts ext4 interval '((3/0 [1-9][0-9]*|0/0 0) lost(, |$)){3}'
  assert_output --partial "3/0 "
}

@test "control: prove finds out a program that acknowledges a visit before its sync" {
  mutant acknowledges-before-sync
  run proves_cuts ext4 always '0/0 0 lost, 0/0 0 lost, 0/0 0 lost'
  assert_failure
  assert_output --partial "3/3 "
}

# has_given_up: the program has ended by itself, or is not ready.
has_given_up() { ! kill -0 "$pid" 2>/dev/null || [ "$(curl -sS "http://127.0.0.1:$admin_port/readyz")" = "not ready: I/O error" ]; }

# shut_down FILE-SYSTEM WORKERS: shuts the file system down, as the kernel does after an error in its journal: from then
# on every write and sync fails, and data that is not on the disk never gets there. The first call that fails may be a
# write or a sync; after a sync the program must end, after a write it may.
shut_down() {
  requires command:xfs_io
  volume "$1" 512M
  DATA=$volume/data start_web_app --workers "$2"
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 16 --visits-per-connection 5 --seconds 60
  many_visits() { [ "$(wc -l <"$BATS_TEST_TMPDIR/out")" -ge 500 ]; }
  try --max 400 --delay 0.02 -- many_visits
  cp "$BATS_TEST_TMPDIR/out" "$BATS_TEST_TMPDIR/before"
  xfs_io -x -c shutdown "$volume"
  try --max 100 --delay 0.1 -- has_given_up
  end_visitor
  # The program logs its state once a second.
  wait_log "^web-app: (cannot write|fdatasync of) $data/visits.txt"
  status=0
  stop_web_app 2>/dev/null || status=$?
  case $status in
    0) assert log_has "^web-app: cannot write $data/visits.txt: I/O error; not ready, retrying$" ;;
    3) assert log_has "^web-app: fdatasync of $data/visits.txt failed: .*: its durable content is unknown; restart to recover$" ;;
    *) fail "exit code $status" ;;
  esac
  umount "$volume"
  mount -o loop "$volume.img" "$volume"
  DATA=$data start_web_app
  assert_recorded_before "$BATS_TEST_TMPDIR/before" "$BATS_TEST_TMPDIR/out" 16
  visit
}

@test "if ext4 shuts down under load, it exits with 3 or is not ready, and visits acknowledged before are kept" { shut_down ext4 1; }
@test "if xfs shuts down under load, it exits with 3 or is not ready, and visits acknowledged before are kept" { shut_down xfs 1; }

@test "the same on ext4 with four workers" { shut_down ext4 4; }
@test "the same on xfs with four workers" { shut_down xfs 4; }
