#!/bin/sh
# Starts or stops the gateway's FastCGI processes, for web servers that start none themselves:
# nginx, and Apache's mod_proxy_fcgi. They outlive the terminal that this is started from, and are
# started again if they end by themselves.
#
#   sh spawn.sh start | stop | restart
#
# restart puts new processes in the place of the old ones, for another build or configuration, and
# refuses no request: a shell keeps the socket.
#
# Everything can be set from outside:
#   CGI_BIN      folder of the programs, ces.fcgi and the others
#   RUN_DIR      folder of the sockets (ces.socket and the others) and process ids
#   LOG_DIR      folder of the logs (ces.log and the others)
#   GATEWAY_USER the user that the gateway runs as   \ only when started by root; the web server's
#   WEB_GROUP    the group that may use the sockets  / group alone may connect (0660)
#   FLASHDUTY_GATEWAY_CONFIG   where the configuration is, if not in its usual places
set -eu

CGI_BIN=${CGI_BIN:-/opt/flashduty-gateway/cgi-bin}
RUN_DIR=${RUN_DIR:-/run/flashduty-gateway}
LOG_DIR=${LOG_DIR:-/var/log/flashduty-gateway}
GATEWAY_USER=${GATEWAY_USER:-www-data}
WEB_GROUP=${WEB_GROUP:-www-data}

# What the shell does that keeps the socket, as descriptor 3. $1: the program.
# shellcheck disable=SC2016 # for that shell to expand
keep='
    exec 3<&0 </dev/null
    begin() {
        "$1" <&3 3<&- &
        child=$!
    }
    # The old one answers what it has taken, while the new one takes what comes.
    trap "old=\$child; begin \"\$1\"; kill \$old || :" HUP
    trap "trap : TERM; kill \$child || :; wait; exit 0" TERM
    begin "$1"
    while :; do
        mine=$child
        wait "$mine"
        [ "$mine" = "$child" ] || continue
        sleep 1
        [ "$mine" != "$child" ] || begin "$1"
    done
'

start() {
    if [ "$(id -u)" -eq 0 ]; then
        set -- "$1" -u "$GATEWAY_USER" -g "$GATEWAY_USER" -U "$GATEWAY_USER" -G "$WEB_GROUP"
    fi
    name=$1
    shift
    # -n: in the foreground, so that the process keeps its log and $! is its id.
    # setsid: a terminal that closes does not end it.
    setsid spawn-fcgi -n -s "$RUN_DIR/$name.socket" -M 0660 "$@" -- \
        /bin/sh -c "$keep" "$name" "$CGI_BIN/$name.fcgi" </dev/null >>"$LOG_DIR/$name.log" 2>&1 &
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

restart() {
    if [ -f "$RUN_DIR/$1.pid" ] && kill -HUP "$(cat "$RUN_DIR/$1.pid")"; then
        return
    fi
    start "$1"
}

stop() {
    if [ -f "$RUN_DIR/$1.pid" ]; then
        kill "$(cat "$RUN_DIR/$1.pid")" || true
        rm -f "$RUN_DIR/$1.pid" "$RUN_DIR/$1.socket"
    fi
}

case ${1:-} in
start | stop | restart) ;;
*)
    echo "usage: sh spawn.sh start | stop | restart" >&2
    exit 2
    ;;
esac

mkdir -p "$RUN_DIR" "$LOG_DIR"
for program in "$CGI_BIN"/*.fcgi; do
    "$1" "$(basename "$program" .fcgi)"
done
