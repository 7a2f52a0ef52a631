#!/usr/bin/env python3
"""Runs docs/queries.sql with DuckDB over the records that the demo has kept.

Usage: .ci/run_queries.py FOLDER, where FOLDER has the subfolder records/, with the package duckdb.
"""

import os
import sys
from pathlib import Path

import duckdb

QUERIES = Path(__file__).resolve().parent.parent / "docs/queries.sql"


def main():
    statements = duckdb.extract_statements(QUERIES.read_text(encoding="utf-8"))
    os.chdir(sys.argv[1])
    database = duckdb.connect()
    shown = 0
    for statement in statements:
        result = database.execute(statement)
        if statement.type == duckdb.StatementType.SELECT:
            rows = result.fetchall()
            shown += len(rows)
            print(f"{len(rows)} rows, such as {rows[:1]}")
    photos, records = (database.execute(f"SELECT count(*) FROM {view}").fetchone()[0] for view in ("photos", "records"))
    if not 0 < photos == records or shown == 0:
        sys.exit(f"{photos} photos of {records} records, and {shown} rows")


if __name__ == "__main__":
    main()
