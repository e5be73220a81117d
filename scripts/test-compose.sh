#!/usr/bin/env bash
# Brings up what docker-compose.yml says, kills and restarts its containers, and compares what the
# tables hold with what the topics hold. Needs a Docker engine; takes some minutes after the build.
#
#   scripts/test-compose.sh [ARGUMENT ...]   what `docker compose up` is to be given, such as
#                                            --no-build --pull never; default --build
#
# It is a project of its own (arus-test) on free ports, beside one that runs, and is wiped at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

[ $# -gt 0 ] || set -- --build
export COMPOSE_PROJECT_NAME=arus-test
# Any free port.
export KAFKA_PORT=0 POSTGRES_PORT=0 PURCHASE_PRODUCER_METRICS_PORT=0 \
    PURCHASE_STREAMING_METRICS_PORT=0 BANK_PRODUCER_METRICS_PORT=0 BANK_CONSUMER_METRICS_PORT=0 \
    RETAIL_ETL_METRICS_PORT=0
export WINDOW=5s WATERMARK=2s PURCHASE_BAD_FRACTION=0.01

patience=180 # seconds
jobs=(purchase-streaming bank-consumer)
producers=(purchase-producer bank-producer)

say() { echo "test-compose: $*"; }

fail() {
    say "$*" >&2
    docker compose logs --tail 20 >&2
    exit 1
}

wipe() { docker compose --progress quiet down --volumes --timeout 30 >&2; }
trap wipe EXIT

up() { docker compose --progress quiet up --detach --wait --wait-timeout "$patience" "$@"; }

sql() { docker compose exec -T postgres psql --username arus --no-align --tuples-only --command "$1"; }

# Waits until the query gives a number that is at least $1.
wait_for() {
    local least=$1 query=$2 found=
    for _ in $(seq "$patience"); do
        found=$(sql "$query" 2>/dev/null || true)
        [ "${found:-0}" -lt "$least" ] || return 0
        sleep 1
    done
    fail "$query gave ${found:-nothing} for $patience s, and should give $least"
}

# The program of a job once more, on what is left, with these flags.
once() {
    docker compose --progress quiet run --rm --no-deps "$1" --trigger available-now \
        --sink database "${@:2}" 2>/dev/null | tail -n 1
}

# How many records a topic holds; of a topic that holds records set aside, how many different ones:
# after a kill some may be there twice.
records() {
    local script=/opt/kafka/bin/kafka-console-consumer.sh
    docker compose exec -T kafka "$script" --bootstrap-server kafka:19092 --topic "$1" \
        --from-beginning --timeout-ms 10000 --formatter-property print.value=false \
        --formatter-property print.headers=true --formatter-property print.partition=true \
        --formatter-property print.offset=true 2>/dev/null |
        sed -n 's/.*arus\.partition:\([0-9]*\).*arus\.offset:\([0-9]*\).*/\1 \2/p; t
                s/.*Partition:\([0-9]*\).*Offset:\([0-9]*\).*/\1 \2/p' | sort -u | wc -l
}

say "starting everything"
up "$@"
wait_for 1 "select count(*) from monthly_customers"
wait_for 5 "select count(*) from purchase_windows"
wait_for 900 "select count(*) from bank_customers"

for round in 1 2 3; do
    say "kill $round of 3"
    docker compose --progress quiet kill "${jobs[@]}" "${producers[@]}"
    rows=$(sql "select count(*) from purchase_windows")
    up --no-build --no-recreate
    wait_for $((rows + 5)) "select count(*) from purchase_windows"
done
say "Kafka and PostgreSQL are restarted"
rows=$(sql "select count(*) from purchase_windows")
docker compose --progress quiet restart kafka
docker compose --progress quiet restart postgres
wait_for $((rows + 5)) "select count(*) from purchase_windows"

say "the producers, then the jobs, are asked to stop"
docker compose --progress quiet stop "${producers[@]}"
docker compose --progress quiet stop "${jobs[@]}"
for service in "${producers[@]}" "${jobs[@]}"; do
    code=$(docker inspect --format '{{.State.ExitCode}}' "$(docker compose ps --all --quiet "$service")")
    [ "$code" = 0 ] || fail "$service ended with code $code"
done
once purchase-streaming --drain
once bank-consumer

sent=$(records purchases)
counted=$(sql "select sum(purchases) from purchase_windows")
late=$(records purchases.late)
rejected=$(records purchases.rejected)
say "purchases: sent $sent = counted $counted + late $late + rejected $rejected"
[ "$sent" -gt 0 ] && [ "$sent" = $((counted + late + rejected)) ] || fail "these are not equal"

tables="select * from bank_customers order by 1; select * from bank_balance;
    select * from bank_balance_by_city order by 1; select * from bank_balance_by_account_type order by 1"
kept=$(sql "$tables")
once bank-consumer --from-beginning
[ "$(sql "$tables")" = "$kept" ] || fail "from the beginning the bank's tables are others"
say "bank: from the beginning the same tables"
say "passed"
