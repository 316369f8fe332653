"""Reads a lake with pyiceberg and fastavro, which nobody here wrote, and prints what it saw as JSON.

pyiceberg_check.py read DATA    every table: rows now, rows at each snapshot, field ids; every manifest through fastavro
pyiceberg_check.py write DATA   makes a table of its own in database "foreign" (deflated manifests, evolved schema)
"""

import glob
import json
import sys
import warnings

warnings.filterwarnings("ignore")

import fastavro  # noqa: E402
import pyarrow as pa  # noqa: E402
import pyarrow.parquet as pq  # noqa: E402
from pyiceberg.catalog.sql import SqlCatalog  # noqa: E402
from pyiceberg.types import LongType  # noqa: E402


def catalog(data):
    return SqlCatalog("lake", uri=f"sqlite:///{data}/catalog.sqlite", warehouse=f"file://{data}/lake")


def field_ids(path):
    schema = pq.read_schema(path)
    return {field.name: int(field.metadata[b"PARQUET:field_id"]) for field in schema}


def read_table(table):
    planned = [task.file for task in table.scan().plan_files()]
    files = [file.file_path.removeprefix("file://") for file in planned]
    names = {field.name: field.field_id for field in table.schema().fields}
    snapshots = []
    for snapshot in table.snapshots():
        rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows
        snapshots.append({"id": str(snapshot.snapshot_id), "rows": rows, "operation": snapshot.summary.operation.value,
                          "said": int(snapshot.summary.additional_properties["total-records"])})
    return {
        "rows": table.scan().to_arrow().num_rows,
        "count_of_metadata": table.scan().count(),
        "snapshots": snapshots,
        "ids_match": all(set(field_ids(path).items()) <= set(names.items()) for path in files),
        "files": len(files),
        "history": table.inspect.history().num_rows,
        "bounds": max((len(file.lower_bounds or {}) for file in planned), default=0),
    }


def read(data):
    found, manifests = {}, 0
    for namespace in catalog(data).list_namespaces():
        for name in catalog(data).list_tables(namespace):
            found[".".join(name)] = read_table(catalog(data).load_table(name))
    for path in glob.glob(f"{data}/lake/**/metadata/*.avro", recursive=True):
        with open(path, "rb") as file:
            reader = fastavro.reader(file)
            assert all("field-id" in field for field in reader.writer_schema["fields"]), path
            list(reader)
        manifests += 1
    print(json.dumps({"tables": found, "manifests": manifests}))


def write(data):
    lake = catalog(data)
    lake.create_namespace_if_not_exists("foreign")
    schema = pa.schema([("id", pa.int64()), ("s", pa.string()), ("l", pa.list_(pa.int32()))])
    table = lake.create_table("foreign.p", schema=schema, location=f"file://{data}/lake/foreign/p")
    table.append(pa.table({"id": [1, 2, 3], "s": ["a", "b", None], "l": [[1], [2, 3], []]}, schema=schema))
    table.append(pa.table({"id": [4], "s": ["d"], "l": [[9]]}, schema=schema))
    table.delete("id = 2")
    with table.update_schema() as update:
        update.rename_column("s", "txt")
        update.add_column("extra", LongType())
    print("ok")


if __name__ == "__main__":
    {"read": read, "write": write}[sys.argv[1]](sys.argv[2])
