// monitoring.mjs MODULES: validates objects of the Prometheus operator, a JSON array on standard input, by the operator's schemas.
import { readFileSync } from "node:fs";

const models = `${process.argv[2]}/@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/index.js`;
const kinds = await import(models);
for (const item of JSON.parse(readFileSync(0, "utf8"))) {
  new kinds[item.kind](item).validate();
}
