# A thin pool that runs full below a volume: write(2) succeeds, but the sync after it fails. Then Linux keeps data in
# its page cache, as if it were on the disk, which it is not. bats/tools/pool.py explains how a restart is tested.

load ../lib/faults

setup() { requires_loop_devices; }

teardown() {
  stop_started
  unmount_all
}

# fills_pool FILE-SYSTEM SYNC [--kill]: see bats/tools/pool.py.
fills_pool() {
  local work
  work=$(mktemp -d -p "$BATS_TEST_TMPDIR")
  "$TOOLS/pool.py" --program "$WEB_APP" --work "$work" --file-system "$1" --sync "$2" "${@:3}" 3>&-
}

# keeps_all FILE-SYSTEM: with both modes that sync, after a failed sync and after kill -9 during one, no visit is lost.
keeps_all() {
  local sync kill job jobs=() out=$BATS_TEST_TMPDIR/out failed=0
  [ "$1" != fuse ] || requires command:bindfs || return
  requires "command:mkfs.${1/fuse/ext4}" || return
  for sync in always interval; do
    for kill in "" --kill; do
      fills_pool "$1" "$sync" ${kill:+"$kill"} >"$out.$sync$kill" 2>&1 &
      jobs+=("$!")
    done
  done
  for job in "${jobs[@]}"; do wait "$job" || failed=1; done
  sed 's/^/# /' "$out".* >&3
  [ "$failed" = 0 ] || fail "$(cat "$out".*)" || return
  assert_equal "$(grep -cE '^.*: acknowledged before [0-9]+, then 400; gone 0, not at their line 0$' <(cat "$out".*))" 4
}

@test "a full pool below ext4: after a failed sync no visit is lost or gets another line" { keeps_all ext4; }
@test "a full pool below xfs: after a failed sync no visit is lost or gets another line" { keeps_all xfs; }
@test "a full pool below btrfs: after a failed sync no visit is lost or gets another line" { keeps_all btrfs; }
@test "a full pool below FUSE: after a failed sync no visit is lost or gets another line" { keeps_all fuse; }

# loses FILE-SYSTEM SYNC [--kill]: the opposite: some visits are lost.
loses() {
  run fills_pool "$@"
  echo "# $output" >&3
  assert_failure 1
  assert_output --regexp 'not at their line [1-9][0-9]*$'
}

@test "control: a program that trusts its page cache at the start loses visits" {
  mutant believes-page-cache
  loses ext4 always --kill
  loses xfs interval
  loses fuse always --kill
}
