#!/usr/bin/env bash
# Starts, stops and reports the embedded broker that serves KAFKA_BROKERS on this machine.
#
#   scripts/broker.sh up       start one in the background if nothing listens there
#   scripts/broker.sh down     stop the one that `up` started, and wait until it is gone
#   scripts/broker.sh status   say what is there; exit code 0 if a broker listens, 1 if not
#
# KAFKA_BROKERS  the address (default localhost:9092; of several the first counts)
# BROKER_BIN     path of the broker binary (needed by `up` when it has to start one)
# BROKER_DATA    its data folder (default .arus/broker)
# The process id stands in .arus/broker.pid, the log in .arus/broker.log, both under the
# folder from which this script is called.
set -euo pipefail

state=.arus
pid_file=$state/broker.pid
log_file=$state/broker.log
data=${BROKER_DATA:-$state/broker}
start_limit=30 # seconds
stop_limit=15  # seconds

address=${KAFKA_BROKERS:-localhost:9092}
address=${address%%,*}
address=${address#*://}
host=${address%:*}
port=${address##*:}
if [ "$host" = "$address" ]; then
    port=9092
fi

fail() {
    echo "error: $*" >&2
    exit 1
}

case $port in
'' | *[!0-9]*) fail "KAFKA_BROKERS=$address is not HOST:PORT, for instance localhost:9092" ;;
esac

is_local() {
    case $host in
    localhost | 127.* | '[::1]') return 0 ;;
    *) return 1 ;;
    esac
}

# A connection to another machine can hang, so it gets a bound.
listens() {
    local bare=${host#[}
    bare=${bare%]}
    local try="exec 3<>/dev/tcp/$bare/$port"
    if command -v timeout >/dev/null; then
        timeout 5 bash -c "$try" 2>/dev/null
    else
        bash -c "$try" 2>/dev/null
    fi
}

# Prints the id of the broker that `up` started, if that very process still runs.
our_pid() {
    local pid command
    [ -r "$pid_file" ] || return 1
    pid=$(cat "$pid_file")
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    if [ -r "/proc/$pid/cmdline" ]; then
        command=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || return 1
    else
        command=$(ps -p "$pid" -o command= 2>/dev/null) || return 1
    fi
    # Process ids are used again: only a broker started as `up` starts it is ours.
    case $command in
    *broker*\ --listen\ *) echo "$pid" ;;
    *) return 1 ;;
    esac
}

# Prints what the log says from that line on about a broker being ready.
ready_line() {
    awk -v from="$1" 'NR > from && /^broker ready on / { print; exit }' "$log_file"
}

# Whether process $2 serves: the log says so, and the lock of the data folder names it (two of us
# may have started one at the same moment, with one log).
is_ready() {
    [ -n "$(ready_line "$1")" ] && [ "$(cat "$data/lock" 2>/dev/null)" = "$2" ]
}

start() {
    local pid from waited=0
    [ -n "${BROKER_BIN:-}" ] || fail "no broker answers at $address, and BROKER_BIN does not name" \
        "one to start: run \"make broker\" or set KAFKA_BROKERS"
    [ -x "$BROKER_BIN" ] || fail "BROKER_BIN=$BROKER_BIN is not a program: build it with" \
        "\"cargo build -p broker\""
    mkdir -p "$state"
    touch "$log_file"
    from=$(awk 'END { print NR }' "$log_file")
    # A process group of its own, so that Ctrl-C in this terminal does not reach it.
    set -m
    nohup "$BROKER_BIN" --listen "$host:$port" --data "$data" \
        </dev/null >>"$log_file" 2>&1 &
    pid=$!
    set +m
    while ! is_ready "$from" "$pid"; do
        if ! kill -0 "$pid" 2>/dev/null; then
            if listens; then
                echo "a broker answers at $address"
                return 0
            fi
            fail "the broker did not start: $(tail -n 3 "$log_file")"
        fi
        if [ "$waited" -ge $((start_limit * 10)) ]; then
            kill "$pid" 2>/dev/null || true
            fail "the broker was not ready after ${start_limit}s: see $log_file"
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
    echo "$pid" >"$pid_file"
    echo "$(ready_line "$from"), process $pid, log in $log_file"
}

up() {
    if listens; then
        echo "a broker answers at $address"
    elif is_local; then
        start
    else
        fail "no Kafka broker answers at $address: start it, or unset KAFKA_BROKERS to use the" \
            "embedded broker on localhost:9092"
    fi
}

down() {
    local pid waited=0
    if ! pid=$(our_pid); then
        rm -f "$pid_file"
        echo "no broker started from here is running"
        return 0
    fi
    kill "$pid"
    while kill -0 "$pid" 2>/dev/null; do
        if [ "$waited" -ge $((stop_limit * 10)) ]; then
            fail "the broker (process $pid) is still there after ${stop_limit}s:" \
                "see $log_file, or end it with \"kill -9 $pid\""
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
    rm -f "$pid_file"
    echo "broker stopped (process $pid)"
}

status() {
    local pid
    if ! listens; then
        echo "nothing listens at $address"
        return 1
    elif pid=$(our_pid); then
        echo "the embedded broker listens at $address (process $pid, log in $log_file)"
    else
        echo "a broker that was not started from here listens at $address"
    fi
}

case ${1:-} in
up | down | status) "$1" ;;
*)
    echo "usage: scripts/broker.sh up|down|status" >&2
    exit 2
    ;;
esac
