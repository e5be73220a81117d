#!/usr/bin/env bash
# Runs dags/retail_etl.py in a real Airflow from PyPI, with the program that was built, and checks
# what it left. Airflow lives in a virtual environment of its own, its state in a temporary folder.
#
# RETAIL_ETL  the program (needed)
# PYTHON      a Python 3.11 (default python3)
# ARUS_CACHE  the folder that keeps the environment for the next time (default $HOME/.cache/arus)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "test-airflow.sh: $*" >&2
    exit 1
}

program=$(realpath "${RETAIL_ETL:?names the program to test}")
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' ||
    fail "dags/requirements.txt is for Python 3.11: set PYTHON to one"

# Its name holds the list's checksum, so that a changed list is installed anew; a folder that is
# there is complete: the mark is set last.
cache=${ARUS_CACHE:-$HOME/.cache/arus}
environment=$cache/airflow-$(cksum <dags/requirements.txt | cut -d' ' -f1)
if [ ! -e "$environment/complete" ]; then
    echo "installing Airflow (some minutes, once)"
    rm -rf "$environment"
    "$python" -m venv "$environment"
    "$environment/bin/pip" install --quiet --no-deps --requirement dags/requirements.txt ||
        fail "Airflow could not be installed"
    "$environment/bin/pip" check
    touch "$environment/complete"
fi
PATH=$environment/bin:$PATH

folder=$(mktemp -d "${TMPDIR:-/tmp}/arus-airflow-XXXXXX")
trap 'rm -rf "$folder"' EXIT
export AIRFLOW_HOME=$folder/airflow AIRFLOW__CORE__LOAD_EXAMPLES=False
export AIRFLOW__CORE__DAGS_FOLDER=$PWD/dags
export AIRFLOW__LOGGING__COLORED_CONSOLE_LOG=False PYTHONDONTWRITEBYTECODE=1
# The DAG's default would be the project's folder, and its .arus.
export RETAIL_ETL=$program RETAIL_ETL_HOME=$folder/home
mkdir -p "$folder/home"
"$program" generate --seed 7 --rows 20000 --out "$folder/home/invoices-2026-11-25.csv" >/dev/null

# Airflow's own words, shown when something is wrong.
airflow_says() {
    "$@" >"$folder/said" 2>&1 && return
    tail -n 60 "$folder/said" >&2
    return 1
}

echo "Airflow $(airflow version 2>/dev/null | tail -n 1)"
airflow_says airflow db migrate || fail "Airflow's database could not be made"

# One run for a time: run_dag CONF
run_dag() {
    airflow_says airflow dags test -f "$PWD/dags/retail_etl.py" retail_etl "2026-11-25T02:00:00+07:00" -c "$1"
}

# The rows that a query of the job's database gives.
ask() {
    python3 - "$folder/home/.arus/arus.db" "$1" <<'END'
import sqlite3, sys
for row in sqlite3.connect(sys.argv[1]).execute(sys.argv[2]):
    print(*row, sep="|")
END
}

# What the program itself finds, without Airflow.
(cd "$folder/home" && "$program" run invoices-2026-11-25.csv --output direct \
    --database-url "sqlite://$folder/direct.db" >/dev/null)

run_dag '{"input": "invoices-%Y-%m-%d.csv"}' || fail "the DAG failed"
grep -q 'new_state=success' "$folder/said" || fail "Airflow tells no success"
diff "$folder/home/direct/monthly_customers.csv" "$folder/home/.arus/etl/monthly_customers.csv" ||
    fail "Airflow's run made other results"
[ "$(ask 'SELECT count(*) > 0 FROM monthly_customers')" = 1 ] || fail "the table is empty"
found=$(ask "SELECT state, scheduled_for, attempt, rows_in, rows_in = rows_out + rows_rejected FROM etl_runs")
[ "$found" = "success|2026-11-24T19:00:00.000Z|1|20000|1" ] || fail "the history holds: $found"
echo "a run of the DAG: $found"

run_dag '{"input": "invoices-%Y-%m-%d.csv"}' || fail "the DAG failed on unchanged input"
found=$(ask "SELECT state FROM etl_runs ORDER BY started")
[ "$found" = $'success\nskipped' ] || fail "the history holds: $found"
echo "unchanged input: skipped"

# Airflow tries again after five minutes: that it means to is enough here.
airflow dags test -f "$PWD/dags/retail_etl.py" retail_etl "2026-11-25T02:00:00+07:00" \
    -c '{"input": "absent.csv"}' >"$folder/said" 2>&1 &
pid=$!
waited=0
until grep -q 'new_state=' "$folder/said" || [ "$waited" -ge 120 ] || ! kill -0 "$pid" 2>/dev/null; do
    sleep 1
    waited=$((waited + 1))
done
kill "$pid" 2>/dev/null || true
wait "$pid" 2>/dev/null || true
grep -q 'error: .*absent.csv' "$folder/said" || fail "the task's log does not tell why it failed"
grep -q 'non-zero exit code 1' "$folder/said" || fail "Airflow does not see the exit code"
grep -q 'new_state=up_for_retry' "$folder/said" || fail "Airflow does not try again"
echo "absent input: the task fails, its log says why, Airflow will try again"
