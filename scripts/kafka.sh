#!/usr/bin/env bash
# A throw-away Apache Kafka for tests: one KRaft node on loopback addresses and free ports.
#
#   scripts/kafka.sh up DIR          makes a node in DIR, starts it, prints its bootstrap address
#                                    (again: prints the address)
#   scripts/kafka.sh down DIR        stops it, waits until it is gone, and removes DIR
#   scripts/kafka.sh tool CLASS ...  runs one of Kafka's own tools, for instance
#                                    org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
#
# Needs Java 17 or newer, and mvn for the first run: it brings the jars that tests/kafka/pom.xml
# lists into a folder that later runs share.
#
# ARUS_CACHE  that folder's parent (default $HOME/.cache/arus)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
pom=$here/tests/kafka/pom.xml
start_limit=60 # seconds
stop_limit=30  # seconds

fail() {
    echo "kafka.sh: $*" >&2
    exit 1
}

version() {
    sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$pom"
}

java_of() {
    local program=java
    [ -z "${JAVA_HOME:-}" ] || program=$JAVA_HOME/bin/java
    command -v "$program" || fail "Apache Kafka needs java, which is not installed: install a" \
        "JDK 17 or newer, or set JAVA_HOME"
}

# Brings the jars, unless an earlier run has; sets `jars`. A folder that is there is complete: it
# gets its name last. Its name holds the list's checksum, so that a changed list is brought anew.
bring_jars() {
    local cache=${ARUS_CACHE:-$HOME/.cache/arus} new
    jars=$cache/kafka-$(version)-$(cksum <"$pom" | cut -d' ' -f1)
    [ ! -d "$jars" ] || return 0
    command -v mvn >/dev/null ||
        fail "mvn brings the jars of Apache Kafka and is not installed: install maven"
    mkdir -p "$cache"
    new=$(mktemp -d "$cache/.kafka-XXXXXX")
    if ! mvn -q -B -f "$pom" dependency:copy-dependencies -DoutputDirectory="$new" \
        >"$new/mvn.log" 2>&1 </dev/null; then
        mv "$new/mvn.log" "$cache/mvn.log"
        rm -rf "$new"
        fail "mvn could not bring the jars of Apache Kafka: see $cache/mvn.log"
    fi
    # Of two that brought them at once, the first counts.
    mv -T "$new" "$jars" 2>/dev/null || rm -rf "$new"
}

# Two free ports, different because both are held until both are known.
free_ports() {
    command -v python3 >/dev/null || { echo $((20000 + $$ % 20000)) $((40001 + $$ % 20000)) && return; }
    python3 -c 'import socket
both = [socket.socket(), socket.socket()]
for one in both: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in both])'
}

# Prints the id of the process that `up` started, if that very process still runs.
our_pid() {
    local pid command
    [ -r "$dir/pid" ] || return 1
    pid=$(cat "$dir/pid")
    case $pid in '' | *[!0-9]*) return 1 ;; esac
    if [ -r "/proc/$pid/cmdline" ]; then
        command=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null) || return 1
    else
        command=$(ps -p "$pid" -o command= 2>/dev/null) || return 1
    fi
    # Process ids are used again: only a Kafka on this folder's configuration is ours.
    case $command in
    *" kafka.Kafka $dir/server.properties "* | *" kafka.Kafka $dir/server.properties") echo "$pid" ;;
    *) return 1 ;;
    esac
}

# As on a cluster of a careful owner, topics do not appear by themselves. Records are kept whatever
# their timestamps: tests send purchases of 2024, which the usual seven days would remove.
configure() {
    cat >"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$2
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$2
advertised.listeners=PLAINTEXT://127.0.0.1:$1
controller.listener.names=CONTROLLER
log.dirs=$dir/data
num.partitions=1
log.retention.ms=-1
log.cleaner.backoff.ms=200
auto.create.topics.enable=false
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
END
}

# Whether it serves: Kafka says so itself when all of it is ready.
is_ready() {
    grep -q 'Kafka Server started' "$dir/server.log"
}

# Starts it on ports that were free; fails when it ends before it serves.
start() {
    local broker controller pid waited=0
    read -r broker controller < <(free_ports)
    rm -rf "$dir/data"
    configure "$broker" "$controller"
    "$java" -Xmx256m -cp "$jars/*" kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAA \
        --config "$dir/server.properties" >"$dir/format.log" 2>&1 ||
        fail "Kafka's storage could not be formatted: $(tail -n 3 "$dir/format.log")"
    # A process group of its own, so that Ctrl-C in this terminal does not reach it.
    set -m
    nohup "$java" -Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$jars/*" \
        -Dorg.slf4j.simpleLogger.showDateTime=true \
        kafka.Kafka "$dir/server.properties" </dev/null >"$dir/server.log" 2>&1 &
    pid=$!
    set +m
    echo "$pid" >"$dir/pid"
    while ! is_ready; do
        kill -0 "$pid" 2>/dev/null || return 1
        if [ "$waited" -ge $((start_limit * 10)) ]; then
            kill -9 "$pid" 2>/dev/null || true
            fail "Kafka was not ready after ${start_limit}s: see $dir/server.log"
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
    echo "127.0.0.1:$broker" >"$dir/address"
}

up() {
    if our_pid >/dev/null && [ -f "$dir/address" ]; then
        cat "$dir/address"
        return
    fi
    [ ! -e "$dir/data" ] || fail "$dir holds a Kafka that does not run: run \"$0 down $dir\" first"
    java=$(java_of)
    bring_jars
    mkdir -p "$dir"
    # Somebody may take a port between asking and listening: others are tried then.
    for _ in 1 2 3; do
        if start; then
            cat "$dir/address"
            return
        fi
    done
    fail "Kafka did not start: see $dir/server.log"
}

down() {
    local pid waited=0
    [ -e "$dir/server.properties" ] || fail "there is no Kafka in $dir"
    if pid=$(our_pid); then
        kill "$pid"
        while kill -0 "$pid" 2>/dev/null; do
            if [ "$waited" -ge $((stop_limit * 10)) ]; then
                fail "Kafka (process $pid) is still there after ${stop_limit}s: see" \
                    "$dir/server.log, or end it with \"kill -9 $pid\""
            fi
            sleep 0.1
            waited=$((waited + 1))
        done
    fi
    rm -rf "$dir/data"
    rm -f "$dir"/{pid,address,server.properties,format.log,server.log}
    rmdir "$dir" 2>/dev/null || true
}

usage() {
    echo "usage: $0 up DIR | down DIR | tool CLASS ARGUMENTS" >&2
    exit 2
}

[ $# -ge 2 ] || usage
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
case $1 in
up | down)
    [ $# = 2 ] || usage
    "$1"
    ;;
tool)
    shift
    java=$(java_of)
    bring_jars
    exec "$java" -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
    ;;
*) usage ;;
esac
