# The test language of the suite faults, besides common.bash and mutants.bash: file systems of a test's own.
# shellcheck shell=bash

load ../lib/mutants

# requires_loop_devices: see requires; file systems of a test's own need them, and root.
requires_loop_devices() {
  requires root || return
  losetup --find >/dev/null 2>&1 || skip_or_fail "this machine lacks loop devices (see losetup(8) and the kernel's module loop)"
}

# unmount_all: unmounts everything below the test's directory, the innermost first; for a teardown.
unmount_all() {
  local path directory
  # Without a directory it would unmount everything.
  directory=$(realpath -e "$(scratch)") && [ "$directory" != / ] || return
  # A program that scans all loop devices may keep one open for a moment.
  while IFS= read -r path; do try --max 200 --delay 0.1 -- umount "$path"; done < <(
    awk -v directory="$directory/" 'index($5, directory) == 1 { print $5 }' /proc/self/mountinfo | tac
  )
}

# volume FILE-SYSTEM SIZE: a new file system of that size, mounted on $volume.
volume() {
  volume=$(scratch)/volume.$1
  mkdir "$volume"
  truncate -s "$2" "$volume.img"
  case $1 in
    ext4) mkfs.ext4 -q -F -m 0 "$volume.img" ;;
    xfs | btrfs) "mkfs.$1" -q -f "$volume.img" 2>/dev/null ;;
    tmpfs)
      mount -t tmpfs -o "size=$2" none "$volume"
      return
      ;;
    *) fail "BUG: volume does not know $1" ;;
  esac || return
  mount -o loop "$volume.img" "$volume"
}

# end_visitor: ends a visitor in the background. If it is about to end by itself, Python has already restored the
# default action of SIGTERM, which gives status 143.
end_visitor() {
  kill "$background" 2>/dev/null || true
  wait "$background" || [ $? = 143 ]
}

# assert_recorded_before BEFORE OUT MOST: every visit of BEFORE is recorded: it was acknowledged before the file system
# failed. Of all acknowledged visits, OUT, at most MOST are missing, the visits of one sync. Linux may report success for
# the one fdatasync that is under way while it shuts down a file system, although the data is lost: a bare loop of write
# and fdatasync loses its last lines too, on ext4 in 3 of 15 runs and on xfs in 4 of 118 (6.18). A second lost sync would
# be the program's fault.
assert_recorded_before() {
  local missing
  assert_recorded "$1" || return
  missing=$(awk -F '\t' 'FNR == NR { line[FNR] = $0; next } line[$1] != $2' "$data/visits.txt" "$2" | wc -l)
  echo "# acknowledged before the failure $(wc -l <"$1"), lost 0; during it $(($(wc -l <"$2") - $(wc -l <"$1"))), lost $missing" >&3
  [ "$missing" -le "$3" ] || fail "$missing visits are missing that were acknowledged while the file system failed"
}
