#!/usr/bin/env python3
"""Send bytes as they are, and judge what comes back by RFC 9110 and RFC 9112.

    raw.py [--host H] --port P [--split] BYTES      show the responses and the fate of the connection
    raw.py [--host H] --port P [--split] --table    check rows from stdin: STATUS[,STATUS...] FATE BYTES

BYTES are written with the escapes of Python's bytes (\\r \\n \\0 \\x80), and {N*c} is N times the character c.
FATE is `open` if another request, sent after the responses, gets a response too, else `closed`. A line of a
table that starts with # is the claim of the rows below it. With --split each byte is sent on its own. Every
response must have a status line, well-formed fields, a Date, framing, no body if the request was HEAD, and
`Connection: close` if and only if the connection then closes. There must be no more responses than requests.
Exits with 1 if anything is wrong.
"""

import argparse
import re
import socket
import sys

TIMEOUT_SECONDS = 20
PROBE = b"GET /healthz HTTP/1.1\r\nHost: probe\r\nConnection: close\r\n\r\n"
DATE = re.compile(rb"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d (Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
                  rb" \d{4} \d\d:\d\d:\d\d GMT")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+): ([\x20-\x7e]*)")


class Wrong(Exception):
    """A response is not as it must be."""


class Response:
    def __init__(self, status, fields, body, text):
        self.status, self.fields, self.body, self.text = status, fields, body, text


class Wire:
    """A connection that is read response by response."""

    def __init__(self, host, port):
        self.socket = socket.create_connection((host, port), timeout=TIMEOUT_SECONDS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def send(self, data):
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # what the server sent before it closed can still be read

    def more(self):
        """Read some more; False at the end."""
        try:
            data = self.socket.recv(65536)
        except ConnectionError:
            data = b""
        self.buffer += data
        return bool(data)

    def take(self, length):
        while len(self.buffer) < length:
            if not self.more():
                raise Wrong("the connection ended in the middle of a response")
        data, self.buffer = self.buffer[:length], self.buffer[length:]
        return data

    def take_line(self):
        while b"\r\n" not in self.buffer:
            if not self.more():
                raise Wrong("the connection ended in the middle of a response")
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def take_chunks(self):
        body = b""
        while True:
            size = int(self.take_line(), 16)
            body += self.take(size)
            if self.take(2) != b"\r\n":
                raise Wrong("a chunk does not end in CR LF")
            if size == 0:
                return body

    def response(self, head_only, http_1_0):
        """The next response, or None at the end of the connection."""
        if not self.buffer and not self.more():
            return None
        line = self.take_line()
        text = line + b"\n"
        match = re.fullmatch(rb"HTTP/1\.1 (\d{3}) [\x20-\x7e]*", line)
        if not match:
            raise Wrong("status line %r" % line)
        status = int(match[1])
        fields = {}
        while True:
            line = self.take_line()
            text += line + b"\n"
            if not line:
                break
            field = FIELD.fullmatch(line)
            if not field:
                raise Wrong("field %r" % line)
            name = field[1].lower()
            if name in fields:
                raise Wrong("field %r twice" % name)
            fields[name] = field[2]
        return Response(status, fields, self.body(status, fields, head_only, http_1_0), text)

    def body(self, status, fields, head_only, http_1_0):
        length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
        if not DATE.fullmatch(fields.get(b"date", b"")):
            raise Wrong("%d without a Date (RFC 9110 6.6.1)" % status)
        if status == 405 and fields.get(b"allow") != b"GET, HEAD":
            raise Wrong("405 without Allow (RFC 9110 15.5.6)")
        if length is not None and coding is not None:
            raise Wrong("both Content-Length and Transfer-Encoding (RFC 9112 6.2)")
        if coding is not None and http_1_0:
            raise Wrong("Transfer-Encoding to HTTP/1.0 (RFC 9112 6.1)")
        if head_only:
            return b""
        if length is not None:
            return self.take(int(length))
        if coding == b"chunked":
            return self.take_chunks()
        if not http_1_0 or fields.get(b"connection") != b"close":
            raise Wrong("%d without framing (RFC 9112 6.3)" % status)
        while self.more():
            pass
        body, self.buffer = self.buffer, b""
        return body


def converse(host, port, data, split, wanted_count):
    """Send, and read WANTED_COUNT responses. Returns the responses and the connection's fate."""
    wire = Wire(host, port)
    for part in ([data[i:i + 1] for i in range(len(data))] if split else [data]):
        wire.send(part)
    requests = [line for line in data.split(b"\r\n") if re.search(rb" HTTP/\S*\s*$", line)]
    responses = []
    while len(responses) < wanted_count:
        request = requests[len(responses)] if len(responses) < len(requests) else b""
        response = wire.response(request.startswith(b"HEAD "), request.endswith(b"HTTP/1.0"))
        if response is None:
            return responses, "closed"
        responses.append(response)
    wire.send(PROBE)
    last = wire.response(False, False)
    fate = "open"
    if last is None:
        fate = "closed"
    elif last.status != 200 or last.body != b"ok\n":
        raise Wrong("more responses than requests: %r" % last.text)
    elif wire.response(False, False) is not None:
        raise Wrong("a response after the last")
    announced = responses[-1].fields.get(b"connection") == b"close" if responses else False
    if announced != (fate == "closed"):
        raise Wrong("Connection: close is%s announced, and the connection is %s (RFC 9112 9.6)"
                    % ("" if announced else " not", fate))
    return responses, fate


def unescape(text):
    text = re.sub(r"\{(\d+)\*(.)\}", lambda match: match[2] * int(match[1]), text)
    return text.encode("latin-1").decode("unicode_escape").encode("latin-1")


def check_table(options):
    claim, rows, failed = "", 0, 0
    for line in sys.stdin:
        line = line.rstrip("\n")
        if line.startswith("#"):
            claim = line[1:].strip()
        if not line or line.startswith("#"):
            continue
        wanted, wanted_fate, text = line.split(" ", 2)
        rows += 1
        try:
            responses, fate = converse(options.host, options.port, unescape(text), options.split,
                                     wanted.count(",") + 1)
            got = ",".join(str(response.status) for response in responses)
        except (Wrong, OSError, ValueError) as error:
            got, fate = "no proper response: %s" % error, ""
        if (got, fate) != (wanted, wanted_fate):
            failed += 1
            print("%s\n  %s\n  wanted %s %s, got %s %s" % (claim, text[:200], wanted, wanted_fate, got, fate))
    print("%d rows, %d wrong" % (rows, failed))
    return failed > 0 or rows == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--split", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("bytes", nargs="?")
    options = parser.parse_args()
    if options.table:
        return check_table(options)
    data = unescape(options.bytes)
    count = max(1, len(re.findall(rb" HTTP/\S+\r?\n", data)))
    try:
        responses, fate = converse(options.host, options.port, data, options.split, count)
    except (Wrong, OSError, ValueError) as error:
        print("no proper response: %s" % error)
        return 1
    for response in responses:
        sys.stdout.write(response.text.decode("latin-1"))
        sys.stdout.write(response.body.decode("latin-1"))
    print("[%s]" % fate)
    return 0


if __name__ == "__main__":
    sys.exit(main())
