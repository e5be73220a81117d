#!/usr/bin/env bash
# The tests that can run on a real Apache Kafka and a real PostgreSQL, run there. Both are started
# here, in a temporary folder, and stopped again whatever happens.
#
#   scripts/test-real.sh [ARGUMENTS]    arguments go to the end-to-end tests: a part of a name, …
#
# What is left out, by name, and why:
skipped=(
    # Its broker is killed, so it brings its own. `make test` runs it.
    kills::the_job_goes_on_by_itself_when_the_broker_was_killed
    refusals::a_broker_that_stays_away_is_given_up_on
    # Fills the disk under SQLite's file.
    refusals::a_full_disk_under_the_database
    # Uses no broker and no database, or the demo's own.
    demo::
    help::
)
set -euo pipefail
cd "$(dirname "$0")/.."

folder=$(mktemp -d "${TMPDIR:-/tmp}/arus-real-XXXXXX")

finish() {
    local code=$?
    trap - EXIT INT TERM
    if [ "$code" != 0 ] && [ -e "$folder/kafka/server.log" ]; then
        echo "---- the end of Kafka's log" >&2
        tail -n 20 "$folder/kafka/server.log" >&2
    fi
    # No folder, no server: a server that did not start is stopped by whoever tried to start it.
    [ ! -e "$folder/kafka/server.properties" ] || scripts/kafka.sh down "$folder/kafka" || code=1
    [ ! -e "$folder/postgres/data" ] || scripts/postgres.sh down "$folder/postgres" || code=1
    rm -rf "$folder"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Runs tests, and fails also when the names have changed and none is left to run.
run() {
    "$@" 2>&1 | tee "$folder/said"
    grep -qE '^test result: ok\. [1-9]' "$folder/said" || {
        echo "test-real.sh: no test ran: $*" >&2
        exit 1
    }
}

# PostgreSQL's own user must be able to enter the folder.
chmod 755 "$folder"
ARUS_TEST_POSTGRES_URL=$(scripts/postgres.sh up "$folder/postgres")
ARUS_TEST_BROKERS=$(scripts/kafka.sh up "$folder/kafka")
export ARUS_TEST_POSTGRES_URL ARUS_TEST_BROKERS
echo "PostgreSQL at $ARUS_TEST_POSTGRES_URL, Kafka at $ARUS_TEST_BROKERS"

cargo=${CARGO:-cargo}
# The child is a part of another test, which starts it.
run "$cargo" test --workspace --test store -- --ignored --skip child_that
run "$cargo" test --workspace --test retail_etl -- --ignored postgres
# Those that have others look at what is ours: Kafka's own tools, psql.
run "$cargo" test --workspace --test end_to_end -- --ignored
echo "left out on real servers: ${skipped[*]}"
run "$cargo" test --workspace --test end_to_end -- "${skipped[@]/#/--skip=}" "$@"
