"""Starts checks by the official Python client, each one until it was answered with 201.

    checks.py CHECKS TENANTS THREADS URL...

Calls go to the URLs in turn; one that fails is made again at the next URL, as another check. The output is a line of JSON for each
call: {"check", "reports", "called", "answered"}, with times in seconds since 1970, or {"failed": status or exception}.
"""

import itertools
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import onfido

PAUSE = 0.2


def main(checks, tenants, threads, *urls):
    checks, tenants, threads = int(checks), int(tenants), int(threads)
    apis = [onfido.DefaultApi(onfido.ApiClient(configuration(url, threads))) for url in urls]
    lock = threading.Lock()

    def say(line):
        with lock:
            print(json.dumps(line, default=str), flush=True)

    def insist(turn, call):
        """Calls one gateway after the other until one answers with what was asked for."""
        for api in itertools.islice(itertools.cycle(apis), turn % len(apis), None):
            called = time.time()
            try:
                return call(api), called, time.time()
            except onfido.ApiException as error:
                say({"failed": str(error.status)})
            except Exception as error:  # no connection, or one that broke off
                say({"failed": type(error).__name__})
            time.sleep(PAUSE)

    def applicant(tenant):
        builder = onfido.ApplicantBuilder(first_name="Zoë", last_name="O'Neill-Łuczak")
        made, _, _ = insist(tenant, lambda api: api.create_applicant(builder, _headers=subscription(tenant)))
        return made.id

    applicants = [applicant(tenant) for tenant in range(tenants)]

    def start(number):
        tenant = number % tenants
        # Every fourth check has two reports.
        names = ["document", "facial_similarity_photo"] if number // tenants % 4 == 0 else ["document"]
        check = onfido.CheckBuilder(applicant_id=applicants[tenant], report_names=names)
        made, called, answered = insist(
            number, lambda api: api.create_check(check, _headers=subscription(tenant))
        )
        say({"check": made.id, "reports": made.report_ids, "called": called, "answered": answered})

    with ThreadPoolExecutor(threads) as pool:
        # Raises what a call has raised that is no failure of a gateway.
        list(pool.map(start, range(checks)))


def configuration(url, connections):
    made = onfido.Configuration(host=url, api_token="dummy-token")
    made.connection_pool_maxsize = connections
    return made


def subscription(tenant):
    return {"SubscriptionId": f"sub-{tenant}"}


main(*sys.argv[1:])
