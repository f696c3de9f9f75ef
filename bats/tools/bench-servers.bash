# The servers of the bench. Each serves a page of the same size on loopback, and logs every request. Sourced by
# bench, which sets web_app and work.
# shellcheck shell=bash
# shellcheck disable=SC2034 # used by bench

declare -A url pid
pids=()
port=$((20000 + RANDOM % 10000))
next_port() { port=$((port + 1)); }

stop_all() {
  [ ${#pids[@]} = 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait 2>/dev/null || true
}

# start NAME COMMAND...: starts a server on $port and waits until it responds. Sets url[NAME] to its address and pid[NAME]
# to its process.
start() {
  local name=$1 attempt
  shift
  "$@" >"$work/$name.log" 2>&1 &
  pid[$name]=$! url[$name]=http://127.0.0.1:$port/
  pids+=($!)
  for ((attempt = 0; attempt < 200; attempt++)); do
    ! curl -sf -o "$work/page" "${url[$name]}" || return 0
    sleep 0.05
  done
  cat "$work/$name.log" >&2
  echo "bench: nothing responds at ${url[$name]}" >&2
  return 1
}

front=() # a command that goes before the program

start_web_app() { # NAME OPTION...
  local name=$1
  shift
  next_port
  start "$name" "${front[@]}" "$web_app" serve --listen "127.0.0.1:$port" --admin-listen "127.0.0.1:$((port + 100))" \
    --data-dir "$work/$name" "$@"
}

port_of() { sed 's/.*:\([0-9]*\).*/\1/' <<<"${url[$1]}"; }

# metric NAME METRIC: its value.
metric() {
  curl -sf "http://127.0.0.1:$(($(port_of "$1") + 100))/metrics" | awk -v name="$2" '$1 == name { print $2 }'
}

start_nginx() {
  next_port
  mkdir -p "$work/nginx"
  cat >"$work/nginx.conf" <<END
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/nginx-error.log;
events { worker_connections 4096; }
http {
  access_log $work/nginx-access.log;
  keepalive_requests 100000000;
  sendfile on;
  client_body_temp_path $work/nginx;
  proxy_temp_path $work/nginx;
  fastcgi_temp_path $work/nginx;
  uwsgi_temp_path $work/nginx;
  scgi_temp_path $work/nginx;
  server { listen 127.0.0.1:$port; location / { root $work/www; default_type text/html; } }
}
END
  # If the master is root, the worker runs as another user.
  chmod 755 "$work" "$work/www"
  start nginx /usr/sbin/nginx -c "$work/nginx.conf"
}

start_lighttpd() {
  next_port
  cat >"$work/lighttpd.conf" <<END
server.document-root = "$work/www"
server.port = $port
server.bind = "127.0.0.1"
server.modules = ( "mod_accesslog" )
server.max-connections = 4096
server.max-keep-alive-requests = 1000000000
accesslog.filename = "$work/lighttpd-access.log"
index-file.names = ( "index.html" )
END
  start lighttpd /usr/sbin/lighttpd -D -f "$work/lighttpd.conf"
}

# What one thread with epoll can do at most.
start_ceiling() {
  next_port
  gcc -O2 -o "$work/ceiling" "$tools/ceiling.c"
  curl -sf -i -o "$work/response" "${url[none]}"
  start ceiling "$work/ceiling" "$port" "$work/response"
}

# The page as a few lines of Flask would serve it: a file that is opened for each visit, and no sync.
start_flask() {
  next_port
  mkdir -p "$work/flask"
  cp "$work/page" "$work/flask/page.html"
  cat >"$work/flask/visits.py" <<'END'
import datetime
import flask

app = flask.Flask(__name__)
page = open("page.html").read()


@app.route("/")
def visit():
    with open("visits.txt", "a") as file:
        file.write("%s\n" % datetime.datetime.now(datetime.timezone.utc))
    return page
END
  start flask /usr/bin/gunicorn --chdir "$work/flask" --bind "127.0.0.1:$port" --worker-class gthread --threads 8 visits:app
}
