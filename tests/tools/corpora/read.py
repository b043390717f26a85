"""Prints the requests of two corpora as JSON lines: where from, name, what it is there, its bytes in hex.

The arguments are the folder of gunicorn's source package and that of http_desync_guardian.
"""

import json
import pathlib
import re
import sys

import yaml


def gunicorn(folder):
    """Its invalid requests; the files say CR, LF and NUL in words."""
    for file in sorted((folder / "tests/requests/invalid").glob("*.http")):
        data = file.read_bytes().replace(b"\n", b"").replace(b"\\r\\n", b"\r\n")
        data = data.replace(b"\\0", b"\0").replace(b"\\n", b"\n").replace(b"\\t", b"\t").replace(b"\\r", b"\r")
        data = re.sub(rb"\\x([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), data)
        verdict = file.with_suffix(".py").read_text()
        expected = [line.split("=", 1)[1].strip() for line in verdict.splitlines() if line.startswith("request =")]
        yield "gunicorn", file.stem, expected[0] if expected else "", data


def guardian(folder):
    for file in sorted((folder / "tests").glob("*.yaml")):
        for case in yaml.load(file.read_text(), Loader=yaml.BaseLoader) or []:
            expected = case.get("expected") or {}
            line = f"{case.get('method', '')} {case.get('uri', '')} {case.get('version', '')}".rstrip(" ")
            fields = [f"{field.get('name', '')}: {field.get('value', '')}" for field in case.get("headers") or []]
            text = "\r\n".join([line, *fields, "", ""])
            yield "guardian", f"{file.stem}: {case.get('name', '')}", expected.get("tier", ""), text.encode("utf-8", "surrogateescape")


def main():
    for source, name, expected, data in [*gunicorn(pathlib.Path(sys.argv[1])), *guardian(pathlib.Path(sys.argv[2]))]:
        print(json.dumps({"source": source, "name": name, "expected": expected, "hex": data.hex()}))


main()
