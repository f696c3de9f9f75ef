# The metrics that /metrics exports, and their documentation.
# shellcheck disable=SC2154 # start_web_app sets port and admin_port

load ../lib/common

# exported_metrics: the name and type of each metric of /metrics, one metric a line.
exported_metrics() { admin /metrics | awk '/^# TYPE / { print $3, $4 }' | LC_ALL=C sort; }

@test "the README's table of metrics is that of /metrics" {
  start_web_app
  run awk -F '|' '/<!-- \/metrics -->/ { inside = 0 }
    inside && /^\| `/ { gsub(/[` ]/, ""); print $2, $3 | "LC_ALL=C sort" }
    /<!-- metrics -->/ { inside = 1 }' "$ROOT/README.md"
  assert_success
  assert_equal "$output" "$(exported_metrics)"
}
