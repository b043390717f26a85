"""kustomize.py: turns the objects of a rendering, a JSON array on standard input, into a manifest of YAML without marks of Helm."""

import json
import sys

import yaml


class Manifest(yaml.SafeDumper):
    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


def without_marks(value):
    if isinstance(value, dict):
        marks = ("helm.sh/chart", "app.kubernetes.io/managed-by", "checksum/config")
        kept = {key: without_marks(item) for key, item in value.items() if key not in marks}
        return {key: item for key, item in kept.items() if key != "annotations" or item}
    if isinstance(value, list):
        return [without_marks(item) for item in value]
    return value


print("# Rendered from the chart kyc-gateway with deploy/kustomize/values.yaml; a test compares them.")
objects = [without_marks(item) for item in json.load(sys.stdin) if item["kind"] != "ConfigMap"]
sys.stdout.write(yaml.dump_all(objects, Dumper=Manifest, sort_keys=False, width=120))
