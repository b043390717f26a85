#!/usr/bin/env python3
"""verify_audit.py STORE [SEQ:HASH]: verifies the chain of audit records, and shares no code with the gateway.

STORE is an SQLite store, a file of JSON lines, or "-" for JSON lines on standard input, as PostgreSQL writes them:
SELECT json_build_object('seq', seq, 'previous', previous, 'record', record, 'hash', hash) FROM audit ORDER BY seq
"""

import hashlib
import json
import sqlite3
import sys


def entries(store):
    if store != "-":
        with open(store, "rb") as file:
            if file.read(15) == b"SQLite format 3":
                database = sqlite3.connect(store)
                yield from database.execute("SELECT seq, previous, record, hash FROM audit ORDER BY seq")
                return
    with sys.stdin if store == "-" else open(store, encoding="utf-8") as lines:
        for line in lines:
            if line.endswith("\n"):
                entry = json.loads(line)
                yield entry["seq"], entry["previous"], entry["record"], entry["hash"]


def verify(store, head):
    faults, known, begun = [], {"0" * 64: 0}, {}
    count, newest, newest_hash = 0, 0, "0" * 64
    for seq, previous, record, own in entries(store):
        count += 1
        if seq <= newest:
            faults.append(f"record {seq} was inserted")
            continue
        if seq > newest + 1:
            faults.append(f"records {newest + 1} to {seq - 1} were removed")
        elif previous != newest_hash:
            if previous in known:
                faults.append(f"records {known[previous] + 1} to {seq - 1} were inserted")
            else:
                faults.append(f"record {seq} does not follow on record {newest}")
        if hashlib.sha256((previous + record).encode()).hexdigest() != own:
            faults.append(f"record {seq} was changed")
        said = json.loads(record)
        if said["outcome"] == "begun":
            begun[seq] = said["operation"]
        begun.pop(said.get("begun"), None)
        known[own], newest, newest_hash = seq, seq, own
    if head:
        seq, _, wanted = head.partition(":")
        if known.get(wanted) != int(seq):
            faults.append(f"the head {seq} is missing")
    return count, begun, faults


if __name__ == "__main__":
    count, begun, faults = verify(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    for seq, operation in begun.items():
        print(f"record {seq}: {operation} began and has no end")
    print("\n".join(faults) if faults else f"{count} records, chain whole")
    sys.exit(1 if faults else 0)
