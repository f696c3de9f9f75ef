# HTTP byte by byte: which requests are served, which are refused, and in what form. bats/tools/raw.py reads the
# tables. It also demands that every response has a Date and framing, that there is one for each request, that HEAD gets
# no body, and that a close is announced (RFC 9110, RFC 9112). app/test/request_test.c has many more malformed heads;
# these tests show how the program refuses them, and what can only be seen on a connection.

load ../lib/common

# One process serves all tests of this file, so that a request that disturbs a later one is noticed.
setup_file() {
  start_web_app
  export pid port admin_port data log
}

teardown_file() {
  stop_web_app || fail "it ended with $?: $(cat "$log")"
  # The log holds only the program's own lines, and no byte from a client.
  run grep -vE '^web-app: (serving on|SIGTERM|stopped with)' "$log"
  assert_output ""
}

# table [OPTION...]: checks the rows on standard input.
table() {
  local rows
  rows=$(cat)
  run "$TOOLS/raw.py" --port "$port" --table "$@" <<<"$rows"
  assert_success
}

@test "the version, the Host and the form of a request line (RFC 9112 2.3, 3)" {
  table <<'END'
# 3.2: one Host, valid
200 open GET / HTTP/1.1\r\nHost: a\r\n\r\n
# RFC 9110 7.2: an empty Host where the target has no authority
200 open GET / HTTP/1.1\r\nHost:\r\n\r\n
200 open GET / HTTP/1.1\r\nHOST: [::1]:8080\r\n\r\n
# 3.2: no Host
400 closed GET / HTTP/1.1\r\n\r\n
# 3.2: more than one Host
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nhost: b\r\n\r\n
# 3.2: an invalid Host
400 closed GET / HTTP/1.1\r\nHost: http://a/\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n
# RFC 9112 C.2.2 and 9.3: HTTP/1.0 needs no Host, and closes unless it asks to stay
200 closed GET / HTTP/1.0\r\n\r\n
200 open GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n
200 closed GET /visits HTTP/1.0\r\nConnection: keep-alive\r\n\r\n
200 closed HEAD / HTTP/1.0\r\n\r\n
# RFC 9110 2.5: a higher minor version is served as the highest known one
200 open GET / HTTP/1.2\r\nHost: a\r\n\r\n
200 open GET / HTTP/1.9\r\nHost: a\r\n\r\n
# RFC 9110 15.6.6: another major version
505 closed GET / HTTP/2.0\r\nHost: a\r\n\r\n
505 closed GET / HTTP/0.9\r\n\r\n
505 closed PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n
505 closed HEAD / HTTP/9.9\r\nHost: a\r\n\r\n
# 2.3: no valid version
400 closed GET / HTTP/1,1\r\nHost: a\r\n\r\n
400 closed GET / \r\n\r\n
# 2.2: empty lines before a request
200 open \r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
200,200 open GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
# 3: single spaces
400 closed GET /  HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / / HTTP/1.1\r\nHost: a\r\n\r\n
END
}

@test "the target of a request (RFC 9112 3.2, RFC 3986)" {
  table <<'END'
# 3.2.2: absolute-form must be accepted
200 open GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET http://a HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET HTTP://a:80/healthz?x HTTP/1.1\r\nHost: b\r\n\r\n
404 open GET http://a/nowhere HTTP/1.1\r\nHost: a\r\n\r\n
# 3.2: absolute-form needs a Host too
400 closed GET http://a/ HTTP/1.1\r\n\r\n
400 closed GET http:/// HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n
# 3.2.1: no path
400 closed GET ?x HTTP/1.1\r\nHost: a\r\n\r\n
# RFC 3986 3.5, 2: no fragment, no bytes of 0x80 and above, no control characters
400 closed GET /#x HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n
# paths are compared exactly, case-sensitively, and never decoded
404 open GET /healthzz HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /HEALTHZ HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /healthz/ HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET //healthz HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET // HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /%2e HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /. HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /a/.. HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /%0d%0aX-Pod:%20evil HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /%68ealthz HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /visits.txt HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET /?a=%00&b=%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET /healthz?/nowhere HTTP/1.1\r\nHost: a\r\n\r\n
END
}

@test "methods: GET and HEAD are served, all others get 405 with Allow (RFC 9110 9, 15.5.6)" {
  table <<'END'
200 open HEAD / HTTP/1.1\r\nHost: a\r\n\r\n
200 open HEAD /visits HTTP/1.1\r\nHost: a\r\n\r\n
200 open HEAD /version HTTP/1.1\r\nHost: a\r\n\r\n
404 open HEAD /nowhere HTTP/1.1\r\nHost: a\r\n\r\n
400 open HEAD /visits?tail=x HTTP/1.1\r\nHost: a\r\n\r\n
# a refused HEAD gets no body either
400 closed HEAD / HTTP/1.1\r\n\r\n
413 closed HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello
405 closed POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n
405 closed POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello
405 closed PUT /visits HTTP/1.1\r\nHost: a\r\n\r\n
405 closed DELETE /visits HTTP/1.1\r\nHost: a\r\n\r\n
405 closed PATCH /nowhere HTTP/1.1\r\nHost: a\r\n\r\n
405 closed TRACE / HTTP/1.1\r\nHost: a\r\n\r\n
405 closed OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n
405 closed OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n
405 closed CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n
405 closed CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n
405 closed BREW / HTTP/1.1\r\nHost: a\r\n\r\n
# RFC 9110 9.1: methods are case-sensitive
405 closed get / HTTP/1.1\r\nHost: a\r\n\r\n
405 closed GETT / HTTP/1.1\r\nHost: a\r\n\r\n
405 closed POST / HTTP/1.0\r\n\r\n
# a malformed request with another method is malformed first
400 closed G{1*@}T / HTTP/1.1\r\nHost: a\r\n\r\n
400 closed \x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03
END
}

@test "a request cannot be smuggled by two lengths, by a coding and a length, or by a bad length (RFC 9112 6, 11.2)" {
  table <<'END'
200 open GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n
# 6.3.3: CL.TE and TE.CL
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n8\r\nSMUGGLED\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n
# TE.TE and codings in disguise
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: a\r\nX: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked,\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked \r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tchunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: identity\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n \r\n0\r\n\r\n
# 6.1: a coding in HTTP/1.0
400 closed GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n
400 closed GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.0\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
# 6.3.5: CL.CL
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 44\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0, 44\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
# RFC 9110 8.6: digits alone
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0 0\r\n\r\n
# 15.5.14: bodies are not read
413 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello
413 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 44\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n
END
}

@test "a chunked body may be empty, as some proxies send it with each request, and nothing else (RFC 9112 6.1, 7.1)" {
  local rows
  rows=$(
    cat <<'END'
200 open GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
200 open HEAD / HTTP/1.1\r\nHost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n
200 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n
200,404,200 open GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET / HTTP/1.2\r\nHost: a\r\nTRANSFER-ENCODING: CHUNKED\r\nTrailer: X\r\n\r\n0\r\n\r\n
# only this field is about the framing, and an expectation without a body is none
200 open GET / HTTP/1.1\r\nHost: a\r\nX-Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\n\r\n
200 open GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n
503 open GET / HTTP/1.1\r\nHost: a\r\nSec-Purpose: prefetch\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n
# a request that could be content is not served
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n29\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n\r\n0\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: 1\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0;a=b\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n000\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0 \r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n;a=b\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n 0\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-0\r\n\r\n
405 closed POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n
# RFC 9110 10.1.1: the client waits for 100 (Continue) or another response before it sends its body
413 closed GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n
END
  )
  table <<<"$rows"
  table --split <<<"$rows"
}

# chunked CONTENT: Python's client sends a GET chunked; prints the status.
chunked() {
  timeout 60 python3 -c '
import http.client, sys
client = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=50)
content = [part.encode() for part in sys.argv[2:] if part]
client.request("GET", "/", iter(content), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
print(client.getresponse().status)' "$port" "$1"
}

@test "a chunked request of an HTTP library is a visit if it is empty, and is refused if it has content" {
  local before
  before=$(count_visits)
  assert_equal "$(chunked "")" 200
  assert_equal "$(count_visits)" $((before + 1))
  assert_equal "$(chunked content)" 413
  assert_equal "$(count_visits)" $((before + 1))
}

@test "the lines of a head (RFC 9112 2.2, 5)" {
  table <<'END'
# 5: white space around a value, an empty value, bytes of 0x80 and above in it
200 open GET / HTTP/1.1\r\nHost:\t a \t\r\nX:\r\nY: \xff\xfe\r\n\r\n
200 open GET / HTTP/1.1\r\nHost:a\r\n\r\n
# 5.2: obsolete line folding
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n\t2\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n \r\n\r\n
# 2.2: white space before the first field
400 closed GET / HTTP/1.1\r\n Host: a\r\n\r\n
# 5.1: white space before the colon
400 closed GET / HTTP/1.1\r\nHost : a\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX\t: 1\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX(: 1\r\n\r\n
# 2.2: a bare LF, a bare CR
400 closed GET / HTTP/1.1\nHost: a\n\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\r\n\r\n
# RFC 9110 5.5: NUL and other control characters
400 closed GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: \x7f\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\r\n\r\n
END
}

@test "the limits on the number and the length of fields hold (RFC 9110 5.4, RFC 6585 5)" {
  local fields
  fields=$(printf 'X%d: 1\\r\\n' {1..62})
  table <<END
200 open GET / HTTP/1.1\r\nHost: a\r\n$fields\r\n
431 closed GET / HTTP/1.1\r\nHost: a\r\n${fields}Y: 1\r\n\r\n
431 closed GET / HTTP/1.1\r\nHost: a\r\n${fields}Y: 1\r\n${fields}\r\n
200 open GET / HTTP/1.1\r\nHost: a\r\nX: {8000*x}\r\n\r\n
431 closed GET / HTTP/1.1\r\nHost: a\r\nX: {8192*x}\r\n\r\n
431 closed GET / HTTP/1.1\r\nHost: a\r\nX: {100000*x}\r\n\r\n
404 open GET /{8000*x} HTTP/1.1\r\nHost: a\r\n\r\n
414 closed GET /{8192*x} HTTP/1.1\r\nHost: a\r\n\r\n
414 closed GET /{100000*x} HTTP/1.1\r\nHost: a\r\n\r\n
414 closed HEAD /{100000*x} HTTP/1.1\r\nHost: a\r\n\r\n
414 closed {8192*x}
END
}

@test "a connection stays open or closes as its request asks (RFC 9112 9.3, 9.6)" {
  table <<'END'
200 closed GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n
200 closed GET / HTTP/1.1\r\nHost: a\r\nConnection: TE , Close\r\n\r\n
200 closed GET / HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nConnection: close\r\n\r\n
200 open GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n
200 closed GET /visits HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n
200,200,404 open GET / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n
# a request after a close is not served
200 closed GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
# nor is a request after a refusal
200,400 closed GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
200,405 closed GET / HTTP/1.1\r\nHost: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n
END
}

@test "a request that arrives byte by byte, amid other traffic, is served like any other" {
  visitor_in_background "$BATS_TEST_TMPDIR/out" --connections 2 --seconds 20
  table --split <<'END'
200 open GET / HTTP/1.1\r\nHost: a\r\n\r\n
200,404 open \r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET / HTTP/1.1\r\n\r\n
400 closed GET / HTTP/1.1\r\nHost: a\n
405 closed POST / HTTP/1.1\r\nHost: a\r\n\r\n
END
}

@test "the admin port is as strict, and serves its own paths" {
  port=$admin_port
  table <<'END'
200 open GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n
200 open HEAD /metrics HTTP/1.1\r\nHost: a\r\n\r\n
200 open GET /version HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET / HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /visits HTTP/1.1\r\nHost: a\r\n\r\n
404 open GET /metrics/ HTTP/1.1\r\nHost: a\r\n\r\n
405 closed POST /metrics HTTP/1.1\r\nHost: a\r\n\r\n
400 closed GET /metrics HTTP/1.1\r\n\r\n
END
}

@test "a health check is a visit at /, and none at /readyz and /healthz of the visitors' port" {
  start_web_app
  local path
  for path in /readyz /healthz /readyz /healthz; do
    get "$path" -A GoogleHC/1.0 >/dev/null
    get "$path" -A ELB-HealthChecker/2.0 >/dev/null
  done
  assert_visits 0
  get / -A GoogleHC/1.0 >/dev/null
  assert_visits 1
}

@test "after all these requests the file holds visits and nothing else" {
  visit 2
  assert_visits "$(metric web_app_visits_total)"
  assert_equal "$(get /visits | wc -l)" "$(count_visits)"
}

@test "a prefetch is not a visit: 503 without a line, and the visit that follows counts" {
  start_web_app
  local header
  for header in 'Sec-Purpose: prefetch' 'Sec-Purpose: prefetch;prerender' 'Sec-Purpose: prefetch; anonymous-client-ip' \
    'Purpose: prefetch' 'X-Moz: prefetch' 'sec-purpose: PREFETCH' $'Sec-Purpose:\tprefetch\t;prerender' 'Sec-Purpose: x, prefetch'; do
    run get / -i -H "$header"
    assert_failure
    assert_output --partial "503 Service Unavailable"
    assert_output --partial "a prefetch is not a visit"
  done
  assert_equal "$(metric web_app_visit_errors_total || echo none)" none
  # HEAD is no visit either, with or without.
  assert_equal "$(status_of / --head -H 'Sec-Purpose: prefetch')" 503
  assert_equal "$(status_of / --http1.0 -H 'Purpose: prefetch')" 503
  # Only / is a visit, and only that word is a prefetch.
  get /visits -H 'Sec-Purpose: prefetch' >/dev/null
  get / -H 'Sec-Purpose: prefetchable' -H 'X-Purpose: prefetch' >/dev/null
  visit >/dev/null
  assert_visits 2
}

@test "raw UTF-8 in a URL is refused with a line that says what to do" {
  start_web_app
  run bash -c "printf 'GET /visits?q=\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n' | nc -q 1 127.0.0.1 $port"
  assert_output --partial "400 Bad Request"
  assert_output --partial "percent-encoded"
}

@test "links of the pages are relative, so that they hold below any path of a proxy" {
  start_web_app
  local path
  for path in / '/visits?format=html'; do
    run get "$path" -H 'Accept: text/html'
    refute_output --regexp '(href|src|action)="?/'
    # Without the icon, which is in the page.
    run python3 -c '
import re, sys, urllib.parse
page = "https://example.test/guests" + sys.argv[1]
links = re.findall(r"<a [^>]*href=\"?([^\s\">]+)", sys.stdin.read())
print(*sorted({urllib.parse.urljoin(page, link).split("?")[0] for link in links}))' \
      "$path" <<<"$output"
    if [ "$path" = / ]; then
      assert_output 'https://example.test/guests/visits'
    else
      assert_output 'https://example.test/guests/ https://example.test/guests/visits'
    fi
  done
}
