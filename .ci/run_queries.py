#!/usr/bin/env python3
"""Runs the queries of docs and template over the records that the demo has kept, with DuckDB.

Usage: .ci/run_queries.py FOLDER, where FOLDER has the subfolder records/, with the packages of .ci/requirements-queries.txt.

Nothing but Athena runs the queries of Athena. They are parsed in its dialect, translated to DuckDB's, and run there. The
records are read with the columns of the template's table, so a column that does not fit a record fails.
"""

import os
import sys
from pathlib import Path

import duckdb
import sqlglot
import yaml
from sqlglot import exp

ROOT = Path(__file__).resolve().parent.parent


class Loader(yaml.SafeLoader):
    """Reads a template; the functions of CloudFormation are not resolved."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: None)


def rows(database, sql):
    found = database.execute(sql).fetchall()
    print(f"{len(found)} rows, such as {str(found[:1])[:200]}")
    return found


def count(database, table):
    return database.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


def run_duckdb():
    """The queries for DuckDB. Returns the number of photos."""
    database = duckdb.connect()
    shown = 0
    for statement in duckdb.extract_statements((ROOT / "docs/queries.sql").read_text(encoding="utf-8")):
        if statement.type == duckdb.StatementType.SELECT:
            shown += len(rows(database, statement.query))
        else:
            database.execute(statement)
    photos, records = count(database, "photos"), count(database, "records")
    if not 0 < photos == records or shown == 0:
        sys.exit(f"{photos} photos of {records} records, and {shown} rows")
    return photos


def duckdb_type(hive):
    return exp.DataType.build(hive, dialect="hive").sql("duckdb")


def as_duckdb(sql):
    """A query of Athena as one of DuckDB. Properties of a table, such as its format, have no counterpart."""
    tree = sqlglot.parse_one(sql, read="athena", error_level=sqlglot.ErrorLevel.RAISE)
    if isinstance(tree, exp.Create):
        tree.set("properties", None)
    for table in tree.find_all(exp.Table):
        table.set("db", None)
        table.set("catalog", None)
    return tree.sql("duckdb", unsupported_level=sqlglot.ErrorLevel.RAISE)


def run_athena(photos):
    """The named queries of the template, and the queries over annotations."""
    template = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), Loader)
    resources = template["Resources"]
    columns = resources["RecordsTable"]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
    types = ", ".join(f"{column['Name']}: '{duckdb_type(column['Type'])}'" for column in columns)
    database = duckdb.connect()
    database.execute(
        f"""CREATE VIEW records AS SELECT * EXCLUDE filename, filename AS "$path"
        FROM read_json('records/*/*.ndjson', format = 'newline_delimited', filename = true, columns = {{{types}}})"""
    )
    queries = [resource["Properties"] for resource in resources.values() if resource["Type"] == "AWS::Athena::NamedQuery"]
    found = {}
    for query in queries:
        print(query["Name"], end=": ")
        found[query["Name"]] = rows(database, as_duckdb(query["QueryString"]))
    jobs = database.execute("SELECT DISTINCT job FROM photos").fetchall()
    if count(database, "photos") != photos or jobs == [] or ("",) in jobs:
        sys.exit(f"{count(database, 'photos')} photos of the jobs {jobs}, instead of {photos}")

    # What S3 Metadata makes of the annotations of the same objects.
    database.execute(
        """CREATE VIEW annotation AS SELECT key AS object_key, 'exif' AS name, content AS text_value
        FROM (SELECT unnest(string_split(content, chr(10))) AS content FROM read_text('records/*/*.ndjson'))
        CROSS JOIN LATERAL (SELECT content->>'key' AS key) WHERE content <> ''"""
    )
    by_camera, without_position = sqlglot.parse((ROOT / "docs/annotations.sql").read_text(encoding="utf-8"), read="athena")
    for name, query in [("photos by camera and year", by_camera), ("photos without a position", without_position)]:
        print(f"{name}, from annotations", end=": ")
        of_annotations = rows(database, as_duckdb(query.sql("athena")))
        is_same = set(of_annotations) == set(found[name]) if query is by_camera else len(of_annotations) == len(found[name])
        if not is_same:
            sys.exit(f"the table of records gives {found[name]}")


def main():
    os.chdir(sys.argv[1])
    run_athena(run_duckdb())


if __name__ == "__main__":
    main()
