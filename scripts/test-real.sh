#!/usr/bin/env bash
# The tests that can run on a real Apache Kafka and a real PostgreSQL, run there, and those that
# need them (marked as ignored). Both are started for them and stopped again whatever happens.
#
#   scripts/test-real.sh [ARGUMENTS]    arguments go to the end-to-end tests: a part of a name, …
#
# What is left out, by name, and why:
skipped=(
    # Its broker is killed, so it brings its own. `make test` runs it.
    kills::the_job_goes_on_by_itself_when_the_broker_was_killed
    sharing::processes_that_share_a_job_wait_for_a_broker_that_was_killed
    refusals::a_broker_that_stays_away_is_given_up_on
    stops::a_job_stops_soon_though_the_broker_is_gone
    stops::a_job_that_drains_waits_for_the_broker_to_tell_what_is_there
    # Fills the disk under SQLite's file.
    refusals::a_full_disk_under_the_database
    # Uses no broker and no database, or the demo's own.
    demo::
    help::
)
set -euo pipefail
cd "$(dirname "$0")/.."

# Called again by the script that starts the servers and stops them.
[ "${1:-}" = --beside-servers ] || exec scripts/real-servers.sh scripts/test-real.sh --beside-servers "$@"
shift

said=$(mktemp)
trap 'rm -f "$said"' EXIT

# Runs tests, and fails also when the names have changed and none is left to run.
run() {
    "$@" 2>&1 | tee "$said"
    grep -qE '^test result: ok\. [1-9]' "$said" || {
        echo "test-real.sh: no test ran: $*" >&2
        exit 1
    }
}

cargo=${CARGO:-cargo}
# The child is a part of another test, which starts it.
run "$cargo" test --workspace --test store -- --ignored --skip child_that
run "$cargo" test --workspace --test retail_etl -- --ignored postgres
echo "left out on real servers: ${skipped[*]}"
run "$cargo" test --workspace --test end_to_end -- --include-ignored "${skipped[@]/#/--skip=}" "$@"
