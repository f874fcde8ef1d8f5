#!/bin/sh
# Starts or stops the gateway's three FastCGI processes, for web servers that start none themselves:
# nginx, and Apache's mod_proxy_fcgi. They outlive the terminal that this is started from.
#
#   sh spawn.sh start | stop
#
# Everything can be set from outside:
#   CGI_BIN      folder of ces.fcgi, guance.fcgi and status.fcgi
#   RUN_DIR      folder of the sockets (ces.socket, …) and process ids
#   LOG_DIR      folder of the logs (ces.log, …)
#   GATEWAY_USER the user that the gateway runs as   \ only when started by root; the web server's
#   WEB_GROUP    the group that may use the sockets  / group alone may connect (0660)
#   FLASHDUTY_GATEWAY_CONFIG   where the configuration is, if not in its usual places
set -eu

CGI_BIN=${CGI_BIN:-/opt/flashduty-gateway/cgi-bin}
RUN_DIR=${RUN_DIR:-/run/flashduty-gateway}
LOG_DIR=${LOG_DIR:-/var/log/flashduty-gateway}
GATEWAY_USER=${GATEWAY_USER:-www-data}
WEB_GROUP=${WEB_GROUP:-www-data}

start() {
    if [ "$(id -u)" -eq 0 ]; then
        set -- "$1" -u "$GATEWAY_USER" -g "$GATEWAY_USER" -U "$GATEWAY_USER" -G "$WEB_GROUP"
    fi
    name=$1
    shift
    # -n: in the foreground, so that the process keeps its log and $! is its id.
    # setsid: a terminal that closes does not end it.
    setsid spawn-fcgi -n -s "$RUN_DIR/$name.socket" -M 0660 "$@" -- "$CGI_BIN/$name.fcgi" \
        </dev/null >>"$LOG_DIR/$name.log" 2>&1 &
    echo $! >"$RUN_DIR/$name.pid"
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        if [ -S "$RUN_DIR/$name.socket" ] && kill -0 $!; then
            return
        fi
        sleep 0.2
    done
    echo "spawn.sh: $name.fcgi did not start: see $LOG_DIR/$name.log" >&2
    exit 1
}

stop() {
    if [ -f "$RUN_DIR/$1.pid" ]; then
        kill "$(cat "$RUN_DIR/$1.pid")" || true
        rm -f "$RUN_DIR/$1.pid" "$RUN_DIR/$1.socket"
    fi
}

case ${1:-} in
start | stop) ;;
*)
    echo "usage: sh spawn.sh start | stop" >&2
    exit 2
    ;;
esac

mkdir -p "$RUN_DIR" "$LOG_DIR"
for endpoint in ces guance status; do
    "$1" "$endpoint"
done
