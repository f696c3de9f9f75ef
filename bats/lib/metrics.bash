# What the tests of the metrics share: a real Prometheus on a free port of the loopback, configured as the Prometheus Operator
# would do it from what the chart renders, and visitors who do what is counted.
# shellcheck shell=bash

# scrape_config MONITOR SERVICES SLICES [ADDRESSES]: prints Prometheus' configuration, in JSON, for a ServiceMonitor and what
# the API server would have: a list of Services and one of EndpointSlices. ADDRESSES are other addresses of pods' admin ports,
# as {"POD": "ADDRESS:PORT"}.
scrape_config() {
  jq -n --slurpfile monitor "$1" --slurpfile services "$2" --slurpfile slices "$3" --argjson addresses "${4:-null}" \
    -f "$TOOLS/scrape-config.jq"
}

# start_prometheus: starts it with prometheus.json and rules.json of the test's directory. Sets $prometheus to its URL, and
# $scraping_since to the time.
start_prometheus() {
  local directory log
  directory=$(scratch)
  log=$directory/prometheus.log
  in_background "$log" prometheus --config.file "$directory/prometheus.json" --storage.tsdb.path "$directory/prometheus" \
    --web.listen-address 127.0.0.1:0
  try --max 400 --delay 0.05 -- is_prometheus_ready "$background" "$log"
  grep -q 'Server is ready' "$log" || fail "Prometheus did not start: $(cat "$log")" || return
  prometheus=http://$(sed -n 's/.*msg="Listening on" address=\(.*\)/\1/p' "$log")
  scraping_since=$EPOCHSECONDS
}

is_prometheus_ready() { grep -q 'Server is ready' "$2" || ! kill -0 "$1" 2>/dev/null; }

# prometheus_get PATH [CURL-OPTION...]: prints `data` of the response.
prometheus_get() { curl -sS --fail-with-body --max-time 20 "${@:2}" "$prometheus/api/v1/$1" | jq -ec .data; }

# prometheus_value EXPRESSION: prints the value of the one series that the expression has now.
prometheus_value() {
  prometheus_get query --get --data-urlencode "query=$1" |
    jq -er '.result | if length == 1 then .[0].value[1] else error("\(length) series") end'
}

# prometheus_has EXPRESSION VALUE
prometheus_has() { assert_equal "$1 is $(prometheus_value "$1")" "$1 is $2"; }

# wait_scraped: waits until Prometheus has scraped each pod since now.
wait_scraped() {
  local now=${EPOCHREALTIME/,/.}
  try --max 100 --delay 0.2 -- prometheus_has "min(timestamp(web_app_visits_total)) > bool $now" 1
}

# becomes EXPRESSION VALUE: it has this value soon.
becomes() { try --max 50 --delay 0.2 -- prometheus_has "$@"; }

# shows_data FILE: every expression of the dashboard has data since Prometheus was started.
shows_data() { "$TOOLS/dashboard.py" "$1" --prometheus "$prometheus" --since "$scraping_since"; }

# rules_are_healthy: each rule was evaluated, without an error, and there are some.
rules_are_healthy() {
  prometheus_get rules | jq -e '[.groups[].rules[]] | length > 5 and all(.[]; .health == "ok" and (.lastError // "") == "")'
}

# alert_fires NAME LABELS: an alert with these labels, in JSON, fires.
alert_fires() {
  prometheus_get alerts | jq -e --arg name "$1" --argjson labels "$2" '
    any(.alerts[]; .state == "firing" and .labels.alertname == $name and (.labels | contains($labels)))'
}

# planted_visits COUNT: prints as many lines for a visits.txt.
planted_visits() {
  awk -v count="$1" 'BEGIN { for (i = 0; i < count; i++)
    printf "2026-11-01 %02d:%02d:%02d.%06d+03:00\n", i / 3600000 % 24, i / 60000 % 60, i / 1000 % 60, i % 1000 * 1000 }'
}

# crowd PORT COUNT: makes as many connections one after the other, each idle after a response, and closes them at the end.
# Those above the limit push out the first.
crowd() {
  local number connection connections=() status
  for ((number = 0; number < $2; number++)); do
    exec {connection}<>"/dev/tcp/127.0.0.1/$1" || return
    connections+=("$connection")
    printf 'GET /version HTTP/1.1\r\nHost: crowd\r\n\r\n' >&"$connection"
    read -r -t 20 -u "$connection" _ status _
    assert_equal "connection $number: $status" "connection $number: 200" || return
  done
  for connection in "${connections[@]}"; do exec {connection}>&-; done
}

# refused_visits PORT COUNT: as many visits, which all get 503.
refused_visits() {
  local codes
  codes=$(for ((visit = 0; visit < $2; visit++)); do printf 'url = http://127.0.0.1:%s/\noutput = /dev/null\n' "$1"; done |
    curl --silent --max-time 60 --write-out '%{http_code}\n' --config - | sort | uniq -c)
  assert_equal "$(xargs <<<"$codes")" "$2 503"
}
