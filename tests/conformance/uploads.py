"""Uploads bodies of unknown length over HTTP/2, and prints the statuses as a JSON array.

    uploads.py URL CA_FILE COUNT SUBSCRIPTION_ID
"""

import json
import ssl
import sys

import httpx

url, ca, count, subscription = sys.argv[1:]


def parts():
    yield b"first part, "
    yield b"second part"


with httpx.Client(http2=True, verify=ssl.create_default_context(cafile=ca), trust_env=False) as client:
    answers = [client.post(url, content=parts(), headers={"SubscriptionId": subscription}) for _ in range(int(count))]
assert all(answer.http_version == "HTTP/2" for answer in answers), answers
print(json.dumps([answer.status_code for answer in answers]))
