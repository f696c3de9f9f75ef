# The verb check: its request, which responses it accepts as complete, and what it says about all others.

load ../lib/faults

setup() { cd "$BATS_TEST_TMPDIR" || return; }

# rows_are_right: for each row on stdin, `web-app check` gives the row's result for the row's response; see responder.py.
rows_are_right() {
  run "$TOOLS/responder.py" "$WEB_APP"
  assert_success
}

# framed: responses with each framing of RFC 9112 §6, and responses that end early.
framed() {
  rows_are_right <<'ROWS'
# A response is complete at the end of its framing, also if the server leaves the connection open.
0 | open | 200 abc | HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc
0 | close | 200 abc | HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc
0 | open | 200 abcdef | HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3;x=y\r\ndef\r\n0\r\nX: y\r\n\r\n
0 | close | 200 abc | HTTP/1.1 200 OK\r\n\r\nabc
0 | close | 200  | HTTP/1.0 200 OK\r\n\r\n
0 | close | 200 a | HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\na\r\nbc
1 | open | 204  | HTTP/1.1 204 No Content\r\nContent-Length: 9\r\n\r\n
1 | open | 304  | HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n
1 | open | 404 nothing here | HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\nnothing here\n
1 | open | 503 no | HTTP/1.1 503 Busy\r\nContent-Length: 2\r\n\r\nno
# Interim responses are skipped.
0 | open | 200 abc | HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc
# A response that ends early is an error.
1 | close | the response ended early, in its head; see the server's log | 
1 | close | the response ended early, in its head; .* | HTTP/1.1 200
1 | close | the response ended early, in its head; .* | HTTP/1.1 200 OK\r\n
1 | close | the response ended early, in its head; .* | HTTP/1.1 200 OK\r\nContent-Le
1 | close | the response ended early, in its head; .* | HTTP/1.1 100 Continue\r\n\r\n
1 | close | the response ended early, after 3 bytes of its body; .* | HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc
1 | close | the response ended early, after 3 bytes of its body; .* | HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n
1 | close | the response ended early, after 3 bytes of its body; .* | HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n
1 | reset | the response ended early, .* | HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc
1 | reset | the response ended early, .* | HTTP/1.1 200 OK\r\n\r\nabc
ROWS
}

@test "a response is complete where RFC 9112's framing ends it, and an error if it ends earlier" { framed; }

@test "a malformed response, or one framed in two ways, is refused with the reason" {
  rows_are_right <<'ROWS'
# The status is three digits of HTTP/1.
1 | close | the response has a status that is not of three digits; see whether an HTTP server listens there | HTTP/1.1 2000 X\r\n\r\nabc
1 | close | the response has a status that is not of three digits; .* | HTTP/1.1 20 X\r\n\r\nabc
1 | close | the response has a status that is not of three digits; .* | HTTP/1.1 200x\r\n\r\nabc
1 | close | the response has a control character in a line; .* | HTTP/1.1 \0\0\0 OK\r\n\r\n
1 | open | the response is not HTTP/1; .* | HTTP/2 200 OK\r\n\r\nabc
1 | open | the response is not HTTP/1; .* | SSH-2.0-OpenSSH_9.2\r\n
1 | open | the response is not HTTP/1; .* | \x15\x03\x01\x00\x02\x02
1 | open | the response switches to a protocol that was not asked for; .* | HTTP/1.1 101 X\r\nUpgrade: x\r\n\r\n
# The framing is one and valid.
1 | open | the response has no valid Content-Length; .* | HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc
1 | open | the response has no valid Content-Length; .* | HTTP/1.1 200 OK\r\nContent-Length: -3\r\n\r\nabc
1 | open | the response has no valid Content-Length; .* | HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551619\r\n\r\nabc
1 | open | the response is framed in two ways, .* | HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
1 | open | the response has a Transfer-Encoding that is not chunked; .* | HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n
1 | open | the response has a chunk without a valid size; .* | HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n
1 | open | the response has a chunk that is longer than its size; .* | HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n
# Lines end with CR LF, and fields have a name.
1 | open | the response has a line that does not end with CR LF; .* | HTTP/1.1 200 OK\n\nabc
1 | open | the response has a malformed header field; .* | HTTP/1.1 200 OK\r\nno field\r\n\r\nabc
ROWS
}

@test "no byte of a response controls the terminal, and a redirect is reported with its target" {
  rows_are_right <<'ROWS'
# Unprintable bytes are replaced.
0 | close | 200 \?\]0;x\?hi \?\?9b\? | HTTP/1.1 200 OK\r\n\r\n\x1b]0;x\x07hi\t\xc2\x9b9b\x7f
0 | close | 200 a\?b | HTTP/1.1 200 OK\r\n\r\na\0b
1 | open | the response has a control character in a line; .* | HTTP/1.1 302 Found\r\nLocation: \x1b[2J\r\nContent-Length: 0\r\n\r\n
# A redirect is not followed.
1 | open | 302 redirects to http://x/, which is not followed; check that | HTTP/1.1 302 Found\r\nLocation: http://x/\r\nContent-Length: 0\r\n\r\n
1 | open | 308 redirects to /\?\?, which is not followed; check that | HTTP/1.1 308 X\r\nLocation: /\xc2\x9b\r\nContent-Length: 2\r\n\r\nab
1 | open | 302 ab | HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nab
ROWS
}

@test "an endless body and an endless head are given up" {
  rows_are_right <<'ROWS'
# The body is read until the deadline, and not kept.
1 | endless | timed out after 3 s: the response stopped after [0-9]{5,} bytes of its body; see the server's load and log | HTTP/1.1 200 OK\r\n\r\nabc
1 | endless | timed out after 3 s: .* | HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\nabc
# A head has a size limit.
1 | endless | the response has a line of more than 8 KiB; .* | HTTP/1.1 200 OK\r\nX: y
ROWS
}

@test "a URL is parsed as RFC 3986 defines it, or refused with a remedy" {
  start_web_app
  run web_app check "http://127.0.0.1:$port?format=json"
  assert_output "200 <!doctype html>"
  run web_app check "http://127.0.0.1:$port/visits?format=raw&tail=1#x?y"
  assert_output --regexp "^200 [0-9-]{10} "
  run web_app check "HTTP://127.0.0.1:$port/healthz#x"
  assert_output "200 ok"
  local url
  complains() {
    run --separate-stderr web_app check "$1"
    assert_complaint 2 "" || return
    [[ $stderr == "web-app: $1: "*"$2"* ]] || fail "$stderr does not say: $2"
  }
  for url in ftp://a/ http:// nonsense http:///x; do complains "$url" "this is not a URL of the form http://HOST"; done
  for url in http://a:x/ http://a:123456/ http://a:99999/; do complains "$url" "a number from 0 to 65535; give one"; done
  for url in http://u:p@127.0.0.1/ http://@a/; do complains "$url" "leave out what is before the @"; done
  for url in http://::1:80/ 'http://[::1' 'http://[127.0.0.1]/'; do complains "$url" "give it as in http://[::1]:8080/"; done
  complains https://a/ "give the http:// URL"
  complains http://:80/ "its host is neither a name nor an address; give one"
  complains "http://a/b c" "percent-encode it"
}

# hanging_address: until the test ends, a connect to 127.0.0.2:$hanging hangs: the listener's backlog is full, so the
# kernel ignores every further SYN. Sets $hanging to the port.
hanging_address() {
  in_background "$BATS_TEST_TMPDIR/hanging" python3 -c '
import socket, time
listener = socket.socket()
listener.bind(("127.0.0.2", 0))
listener.listen(0)
waiting = []
for _ in range(8):
    client = socket.socket()
    client.setblocking(False)
    client.connect_ex(listener.getsockname())
    waiting.append(client)
probe = socket.socket()
probe.settimeout(1)
try:
    probe.connect(listener.getsockname())
    print("connected")
except TimeoutError:
    print(listener.getsockname()[1], flush=True)
time.sleep(60)'
  try --max 100 --delay 0.1 -- test -s "$BATS_TEST_TMPDIR/hanging"
  hanging=$(cat "$BATS_TEST_TMPDIR/hanging")
  assert_regex "$hanging" '^[0-9]+$'
}

# with_files: sets $in_etc to a command that runs its arguments in a mount namespace in which hosts and resolv.conf of
# the test's directory `etc` replace the machine's.
with_files() {
  requires root || return
  mkdir -p etc
  [ -e etc/hosts ] || echo "127.0.0.1 localhost" >etc/hosts
  [ -e etc/resolv.conf ] || echo "nameserver 127.0.0.1" >etc/resolv.conf
  # shellcheck disable=SC2016 # the inner shell expands it
  printf '#!/bin/sh\nmount --bind etc/hosts /etc/hosts && mount --bind etc/resolv.conf /etc/resolv.conf && exec "$@"\n' >in-etc
  chmod +x in-etc
  in_etc=(timeout 20 unshare --mount ./in-etc)
}

# second_address_responds: the first of a name's two addresses hangs; the server at the second is reached all the same.
second_address_responds() {
  mkdir -p etc
  printf '127.0.0.2 two.test\n127.0.0.1 two.test\n' >etc/hosts
  with_files || return
  hanging_address || return
  in_background server python3 -c '
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print("listening", flush=True)
while True:
    connection, _ = listener.accept()
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond")
    connection.close()' "$hanging"
  try --max 100 --delay 0.05 -- grep -q listening server
  run --separate-stderr "${in_etc[@]}" "$WEB_APP" check "http://two.test:$hanging/"
  assert_equal "$output$stderr" "200 second"
}

@test "if the first of two addresses hangs, there is time left for the second" { second_address_responds; }

@test "an address that hangs is given up with a remedy" {
  hanging_address
  run --separate-stderr web_app check "http://127.0.0.2:$hanging/"
  assert_complaint 1 "http://127.0.0.2:$hanging/: cannot connect: (Operation|Connection) timed out; see whether the server runs"
}

@test "a lookup without a reply is given up within the time limit of the whole check" {
  with_files
  in_background resolver python3 -c '
import socket
server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.bind(("127.7.7.7", 53))
print("listening", flush=True)
while True:
    print(server.recvfrom(512), flush=True)'
  try --max 100 --delay 0.05 -- grep -q listening resolver
  echo "nameserver 127.7.7.7" >etc/resolv.conf
  run --separate-stderr "${in_etc[@]}" "$WEB_APP" check http://silent.test/
  assert_complaint 1 "http://silent.test/: cannot look up silent.test: (Operation|Connection) timed out; see the name, and /etc/resolv.conf"
  grep -q "silent" resolver || fail "the resolver got no query"
  # A name in /etc/hosts is found in the same way.
  start_web_app
  echo "127.0.0.1 known.test" >etc/hosts
  run "${in_etc[@]}" "$WEB_APP" check "http://known.test:$port/healthz"
  assert_output "200 ok"
  run --separate-stderr "${in_etc[@]}" "$WEB_APP" check "http://two words/"
  assert_complaint 2 "http://two words/: its host"
}

@test "control: a client that reads until the close, and one that takes any close for the end, are found out" {
  mutant check-reads-to-close
  run framed
  assert_failure
  mutant check-takes-any-close
  run framed
  assert_failure
  assert_output --partial "got 0 '200 abc"
}

@test "control: a client that spends all of its time on the first address is found out" {
  mutant check-spends-time-on-first-address
  run second_address_responds
  assert_failure
  assert_output --partial "cannot connect: Operation timed out"
}
