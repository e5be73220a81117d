#!/usr/bin/env bash
# A throw-away Apache Kafka for tests: one KRaft node on loopback addresses and free ports.
#
#   scripts/kafka.sh up DIR          makes a node in DIR, starts it, prints its bootstrap address
#                                    (again: prints the address)
#   scripts/kafka.sh join DIR FIRST  makes a second node in DIR, of the cluster whose node is in FIRST
#   scripts/kafka.sh kill DIR        ends it as a lost machine does; its data stay
#   scripts/kafka.sh start DIR       starts it again, on the same ports and data
#   scripts/kafka.sh down DIR        stops it, waits until it is gone, and removes DIR
#   scripts/kafka.sh tool CLASS ...  runs one of Kafka's own tools, for instance
#                                    org.apache.kafka.tools.consumer.group.ConsumerGroupCommand
#
# The bootstrap address is plain text. DIR/listeners names one a line, with its address: PLAINTEXT,
# SSL, MTLS (which asks for the client's certificate), SASL_PLAINTEXT, SASL_SSL, and two that no
# careful client connects to: EXPIRED and ELSEWHERE, after their certificates. PROXIED is plain text
# that tells clients another address, PROXY, where a test puts its proxy. Certificates are in
# DIR/tls (scripts/certificates.sh), the password of user "ana" (SCRAM-SHA-256, SCRAM-SHA-512,
# PLAIN) and of the client's encrypted key in DIR/password.
#
# Needs openssl, Java 17 or newer, and mvn for the first run: it brings the jars that
# tests/kafka/pom.xml lists into a folder that later runs share.
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

# So many free ports, different because all are held until all are known.
free_ports() {
    command -v python3 >/dev/null || { seq $((20000 + $$ % 20000)) $((19999 + $$ % 20000 + $1)) && return; }
    python3 -c 'import socket, sys
all = [socket.socket() for _ in range(int(sys.argv[1]))]
for one in all: one.bind(("127.0.0.1", 0))
print(*[one.getsockname()[1] for one in all], sep="\n")' "$1"
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

# What nodes have in common. As on a cluster of a careful owner, topics do not appear by themselves.
# Records are kept whatever their timestamps: tests send purchases of 2024, which the usual seven
# days would remove.
configure_common() {
    cat <<END
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
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

# The first node of a cluster: controller and broker, with every kind of listener.
configure() {
    local ports names=(CONTROLLER PLAINTEXT SSL MTLS SASL_PLAINTEXT SASL_SSL EXPIRED ELSEWHERE PROXIED)
    local at name listeners='' advertised='' password proxy
    mapfile -t ports < <(free_ports $((${#names[@]} + 1)))
    proxy=127.0.0.1:${ports[-1]}
    password=$(openssl rand -hex 12)
    echo "$password" >"$dir/password"
    "$here/scripts/certificates.sh" "$dir/tls" "$password"
    for name in server expired elsewhere; do
        cat "$dir/tls/$name.key" "$dir/tls/$name.pem" >"$dir/tls/$name-keystore.pem"
    done
    : >"$dir/listeners"
    for at in "${!names[@]}"; do
        name=${names[at]}
        listeners+=,$name://127.0.0.1:${ports[at]}
        echo "$name 127.0.0.1:${ports[at]}" >>"$dir/listeners"
        case $name in
        CONTROLLER) ;;
        PROXIED) advertised+=,$name://$proxy ;;
        *) advertised+=,$name://127.0.0.1:${ports[at]} ;;
        esac
    done
    echo "PROXY $proxy" >>"$dir/listeners"
    configure_common >"$dir/server.properties"
    cat >>"$dir/server.properties" <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${ports[0]}
listeners=${listeners#,}
advertised.listeners=${advertised#,}
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,SSL:SSL,MTLS:SSL,\
  EXPIRED:SSL,ELSEWHERE:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
ssl.keystore.type=PEM
ssl.keystore.location=$dir/tls/server-keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$dir/tls/ca.pem
listener.name.mtls.ssl.client.auth=required
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
END
    for name in expired elsewhere; do
        cat >>"$dir/server.properties" <<END
listener.name.$name.ssl.keystore.type=PEM
listener.name.$name.ssl.keystore.location=$dir/tls/$name-keystore.pem
END
    done
    for name in sasl_plaintext sasl_ssl; do
        cat >>"$dir/server.properties" <<END
listener.name.$name.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_ana="$password";
listener.name.$name.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.$name.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
END
    done
    for name in ssl mtls sasl_plaintext sasl_ssl expired elsewhere proxied; do
        echo "listener.name.$name.num.network.threads=1" >>"$dir/server.properties"
    done
    chmod 600 "$dir/password" "$dir/server.properties"
}

# A second node: a broker only, plain text only.
configure_second() {
    local port
    port=$(free_ports 1)
    echo "PLAINTEXT 127.0.0.1:$port" >"$dir/listeners"
    configure_common >"$dir/server.properties"
    cat >>"$dir/server.properties" <<END
process.roles=broker
node.id=2
controller.quorum.voters=1@$(address_of CONTROLLER "$1")
listeners=PLAINTEXT://127.0.0.1:$port
END
}

# The address of listener $1 of the node in folder $2.
address_of() {
    sed -n "s/^$1 //p" "$2/listeners"
}

# Whether it serves: Kafka says so itself when all of it is ready.
is_ready() {
    grep -q 'Kafka Server started' "$dir/server.log"
}

# Makes the node's storage, for the configuration that is there.
format() {
    local users=()
    if [ -e "$dir/password" ]; then
        for mechanism in SCRAM-SHA-256 SCRAM-SHA-512; do
            users+=(--add-scram "$mechanism=[name=ana,password=$(cat "$dir/password")]")
        done
    fi
    rm -rf "$dir/data"
    "$java" -Xmx256m -cp "$jars/*" kafka.tools.StorageTool format --cluster-id AAAAAAAAAAAAAAAAAAAAAA \
        --config "$dir/server.properties" "${users[@]}" >"$dir/format.log" 2>&1 ||
        fail "Kafka's storage could not be formatted: $(tail -n 3 "$dir/format.log")"
}

# Starts it on the storage that is there; fails when it ends before it serves.
launch() {
    local pid waited=0
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
    address_of PLAINTEXT "$dir"
}

# Makes and starts a node that "$@" configures.
make_node() {
    if our_pid >/dev/null; then
        address_of PLAINTEXT "$dir"
        return
    fi
    [ ! -e "$dir/data" ] || fail "$dir holds a Kafka that does not run: run \"$0 down $dir\" first"
    command -v openssl >/dev/null || fail "openssl makes the certificates and is not installed"
    java=$(java_of)
    bring_jars
    mkdir -p "$dir"
    # Somebody may take a port between asking and listening: others are tried then.
    for _ in 1 2 3; do
        "$@"
        format
        if launch; then
            return
        fi
    done
    fail "Kafka did not start: see $dir/server.log"
}

up() {
    make_node configure
}

join() {
    make_node configure_second "$1"
}

start() {
    [ -e "$dir/data" ] || fail "there is no Kafka in $dir"
    java=$(java_of)
    bring_jars
    our_pid >/dev/null || launch || fail "Kafka did not start again: see $dir/server.log"
}

# Waits until process $1 is gone.
wait_for_end() {
    local waited=0
    while kill -0 "$1" 2>/dev/null; do
        if [ "$waited" -ge $((stop_limit * 10)) ]; then
            fail "Kafka (process $1) is still there after ${stop_limit}s: see" \
                "$dir/server.log, or end it with \"kill -9 $1\""
        fi
        sleep 0.1
        waited=$((waited + 1))
    done
}

kill_node() {
    local pid
    pid=$(our_pid) || fail "no Kafka runs in $dir"
    kill -9 "$pid"
    wait_for_end "$pid"
}

down() {
    local pid
    [ -e "$dir/server.properties" ] || fail "there is no Kafka in $dir"
    if pid=$(our_pid); then
        kill "$pid"
        wait_for_end "$pid"
    fi
    rm -rf "$dir/data" "$dir/tls"
    rm -f "$dir"/{pid,listeners,password,server.properties,format.log,server.log}
    rmdir "$dir" 2>/dev/null || true
}

usage() {
    echo "usage: $0 up|kill|start|down DIR | join DIR FIRST | tool CLASS ARGUMENTS" >&2
    exit 2
}

[ $# -ge 2 ] || usage
case $2 in /*) dir=$2 ;; *) dir=$PWD/$2 ;; esac
case $1 in
up | start | down)
    [ $# = 2 ] || usage
    "$1"
    ;;
kill)
    [ $# = 2 ] || usage
    kill_node
    ;;
join)
    [ $# = 3 ] || usage
    join "$3"
    ;;
tool)
    shift
    java=$(java_of)
    bring_jars
    exec "$java" -Xmx256m -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$jars/*" "$@"
    ;;
*) usage ;;
esac
