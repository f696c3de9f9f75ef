# Runs in a node, which has bash but perhaps no curl: visits http://$2:$3/ until the file $1 appears, for five minutes at
# most. Prints a line `JSON STATUS` for each visit; status 000 means no response. Mode `kept` ($4) uses one
# connection for as long as the server keeps it, `fresh` opens one for each visit.
# shellcheck shell=bash
stop=$1 host=$2 port=$3 mode=$4
timeout_seconds=10

# Writing to a connection that the server has closed is an error to handle, not to die of.
trap '' PIPE

connect() { exec 3<>"/dev/tcp/$host/$port"; } 2>/dev/null

disconnect() { exec 3>&-; }

send_request() {
  printf 'GET / HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\nConnection: %s\r\n\r\n' "$host" "$1" >&3
} 2>/dev/null

# read_response: sets status, body and keeps (whether the connection goes on); fails without a whole response.
read_response() {
  local line length=0
  status=000 body='' keeps=yes
  IFS=' ' read -r -t "$timeout_seconds" -u 3 _ status _ || return
  while IFS= read -r -t "$timeout_seconds" -u 3 line; do
    line=${line%$'\r'}
    case ${line,,} in
      '') break ;;
      content-length:*) length=${line#*: } ;;
      connection:*close*) keeps=no ;;
    esac
  done
  [ "$length" = 0 ] || LC_ALL=C read -r -N "$length" -t "$timeout_seconds" -u 3 body
}

# visit_fresh: one visit on a connection of its own.
visit_fresh() {
  status=000 body=''
  connect || return
  send_request close && read_response
  disconnect
}

# visit_kept: one visit on the open connection. A server may close an idle connection at any time, so if it ends before
# the first byte of the response the client retries once on a new connection, as browsers do. A visit that was recorded
# without a response then makes one line too many.
visit_kept() {
  status=000 body=''
  if [ "$connected" = yes ] && send_request keep-alive && read_response; then
    connected=$keeps
    [ "$keeps" = yes ] || disconnect
    return
  fi
  [ "$connected" = no ] || disconnect
  connected=no
  [ "$status" = 000 ] || return
  connect || return
  send_request keep-alive && read_response || return
  connected=$keeps
  [ "$keeps" = yes ] || disconnect
}

connected=no
while [ ! -e "$stop" ] && [ "$SECONDS" -lt 300 ]; do
  since=$SECONDS
  "visit_$mode" || true
  [ $((SECONDS - since)) -le "$timeout_seconds" ] || status=000
  body=${body//$'\n'/}
  printf '%s %s\n' "${body:-{\}}" "$status"
  # Thirty visits a second are load enough beside a cluster on two cores.
  sleep 0.03
done
