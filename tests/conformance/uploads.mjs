// Uploads bodies of unknown length over HTTP/2, and prints the statuses as a JSON array.
//
//     uploads.mjs URL CA_FILE COUNT SUBSCRIPTION_ID

import { readFileSync } from "node:fs";
import { connect } from "node:http2";

const [url, ca, count, subscription] = process.argv.slice(2);
const { origin, pathname } = new URL(url);
const session = connect(origin, { ca: readFileSync(ca) });

function upload() {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ":method": "POST", ":path": pathname, subscriptionid: subscription });
    stream.on("response", (fields) => resolve(fields[":status"]));
    stream.on("error", reject);
    stream.resume();
    stream.write("first part, ");
    stream.write("second part");
    stream.end();
  });
}

const statuses = [];
for (let sent = 0; sent < Number(count); sent += 1) statuses.push(await upload());
console.log(JSON.stringify(statuses));
session.close();
