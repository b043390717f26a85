"""render.py CHART: renders the chart with each of the sets of values on standard input, a JSON array of texts in YAML.

Prints a JSON array with, for each set, the list of objects, or the reason as a text when the schema of the values or a template
refuses them, or when an object does not validate against the schemas of Kubernetes in strict mode. Needs no cluster.
"""

import json
import sys

import helm_python as helm
import kubernetes_validate
import yaml

VERSIONS = ["1.30", "1.37"]


def render(chart, values):
    try:
        chart.validate_schema(chart.merge_values(values))
        texts = chart.render(values, name="kyc-gateway", namespace="kyc")
    except helm.HelmError as error:
        return f"refused: {error}"
    manifests = [text for path, text in sorted(texts.items()) if path.endswith(".yaml")]
    objects = [found for text in manifests for found in yaml.safe_load_all(text) if found]
    for item in objects:
        # Objects of the Prometheus operator are validated by monitoring.mjs.
        if item["apiVersion"].startswith("monitoring.coreos.com/"):
            continue
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(item, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                return f"{item['kind']} {item['metadata']['name']} ({version}): {error}"
    return objects


with helm.Chart.load(sys.argv[1]) as chart:
    json.dump([render(chart, yaml.safe_load(text)) for text in json.load(sys.stdin)], sys.stdout)
