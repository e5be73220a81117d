"""Unique customers a month, as a user of DuckDB would ask for them: nothing checked, nothing written."""

import sys

import duckdb

months = duckdb.execute(
    """
    SELECT year(date), month(date), count(DISTINCT CustomerID)
    FROM (
        SELECT strptime(InvoiceDate, '%m/%d/%Y %H:%M') AS date, CustomerID
        FROM read_csv(?, header = true, columns = {
            'InvoiceNo': 'VARCHAR', 'StockCode': 'VARCHAR', 'Description': 'VARCHAR', 'Quantity': 'BIGINT',
            'InvoiceDate': 'VARCHAR', 'UnitPrice': 'DECIMAL(18, 4)', 'CustomerID': 'DOUBLE', 'Country': 'VARCHAR'
        })
        WHERE CustomerID IS NOT NULL
    )
    GROUP BY ALL
    ORDER BY ALL
    """,
    [sys.argv[1]],
)
for row in months.fetchall():
    print(*row, sep=",")
