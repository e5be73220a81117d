"""The retail batch job as an Airflow DAG, for those who have Airflow.

Airflow decides when, and tries again; the work is one call of the program `retail-etl`. Two runs at
once are refused by the program itself, also across machines, and a run that was made twice leaves
the same tables. `retail-etl history` shows the runs that Airflow made like any other.

Environment of the worker:

- `RETAIL_ETL`: the program (default: `retail-etl` on the PATH)
- `RETAIL_ETL_HOME`: the folder that relative paths start from (default: the one above this file's)
- `DATABASE_URL`: the database, unless the parameter names one; a password belongs in `PGPASSWORD` or
  `~/.pgpass`

Exit codes: 0 is success (also when the input has not changed, and nothing was to be done), all
others fail the task: 1 failed, with one sentence at the end of the task's log; 2 wrong use.
"""

import os
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Param

# Of the schedule, and of %Y-%m-%d in the input.
ZONE = "Asia/Jakarta"

with DAG(
    dag_id="retail_etl",
    description="Online Retail invoices to monthly customers, retention and a report",
    doc_md=__doc__,
    tags=["arus"],
    schedule="0 2 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=ZoneInfo(ZONE)),
    # Nights that went by are not made up: the input is read whole every time.
    catchup=False,
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=6),
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=5),
        "execution_timeout": timedelta(hours=1),
    },
    params={
        "input": Param(
            "data/online-retail-dataset.csv",
            type="string",
            minLength=1,
            description="CSV files, plain, gzip or zstd; a folder; or a pattern like "
            "'invoices/2011-*.csv'. %Y-%m-%d and the like become the time the run is for.",
        ),
        "database_url": Param(
            "",
            type="string",
            description="sqlite://FILE or postgres://USER@HOST/DATABASE; "
            "empty: DATABASE_URL of the worker, else sqlite://.arus/arus.db",
        ),
        "exclude_cancelled": Param(
            False, type="boolean", description="Leave out cancelled invoices"
        ),
        "force": Param(
            False, type="boolean", description="Run also when the input has not changed"
        ),
    },
) as dag:
    # Parameters travel in the environment, where the shell takes them as they are.
    BashOperator(
        task_id="run",
        cwd=os.environ.get("RETAIL_ETL_HOME", str(Path(__file__).resolve().parent.parent)),
        append_env=True,
        env={
            "INPUT": "{{ params.input }}",
            "URL": "{{ params.database_url }}",
            "EXCLUDE_CANCELLED": "{{ '1' if params.exclude_cancelled else '' }}",
            "FORCE": "{{ '1' if params.force else '' }}",
            "SCHEDULED_FOR": "{{ (dag_run.logical_date or dag_run.run_after).isoformat() }}",
            "ZONE": ZONE,
        },
        bash_command="""
            if [ -n "$URL" ]; then
                # Before whatever the worker's environment says, a file with a URL too.
                unset DATABASE_URL_FILE
                export DATABASE_URL=$URL
            fi
            exec "${RETAIL_ETL:-retail-etl}" run --scheduled-for "$SCHEDULED_FOR" --tz "$ZONE" \\
                ${EXCLUDE_CANCELLED:+--exclude-cancelled} ${FORCE:+--force} -- "$INPUT"
        """,
    )
