#!/usr/bin/env bash
# Runs a command beside a real Apache Kafka and a real PostgreSQL, which are started for it in a
# temporary folder and stopped again whatever happens. The command finds them by ARUS_TEST_BROKERS
# and ARUS_TEST_POSTGRES_URL.
#
#   scripts/real-servers.sh COMMAND [ARGUMENTS]
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# -ge 1 ] || { echo "usage: $0 COMMAND [ARGUMENTS]" >&2; exit 2; }

folder=$(mktemp -d "${TMPDIR:-/tmp}/arus-real-XXXXXX")

finish() {
    local code=$?
    trap - EXIT INT TERM
    if [ "$code" != 0 ] && [ -e "$folder/kafka/server.log" ]; then
        echo "---- the end of Kafka's log" >&2
        tail -n 20 "$folder/kafka/server.log" >&2
    fi
    # No folder, no server: a server that did not start is stopped by whoever tried to start it.
    # Nor does a server outlive the test that started it for itself (tests/src/servers.rs).
    local server
    for server in "$folder"/kafka*/server.properties; do
        [ ! -e "$server" ] || scripts/kafka.sh down "${server%/*}" || code=1
    done
    for server in "$folder"/postgres*/data; do
        [ ! -e "$server" ] || scripts/postgres.sh down "${server%/*}" || code=1
    done
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# PostgreSQL's own user must be able to enter the folder.
chmod 755 "$folder"
ARUS_TEST_POSTGRES_URL=$(scripts/postgres.sh up "$folder/postgres")
ARUS_TEST_BROKERS=$(scripts/kafka.sh up "$folder/kafka")
export ARUS_TEST_POSTGRES_URL ARUS_TEST_BROKERS
export ARUS_TEST_KAFKA=$folder/kafka ARUS_TEST_POSTGRES=$folder/postgres ARUS_TEST_SERVERS=$folder
echo "PostgreSQL at $ARUS_TEST_POSTGRES_URL, Kafka at $ARUS_TEST_BROKERS"
"$@"
