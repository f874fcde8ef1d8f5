"""A gateway in Flask that keeps nothing: parses, maps a few fields, posts with requests, answers."""

import os
import threading

import requests
from flask import Flask, request

app = Flask(__name__)
_of_thread = threading.local()


def session():
    """A session a thread, so that connections are kept."""
    if not hasattr(_of_thread, "session"):
        _of_thread.session = requests.Session()
        _of_thread.session.verify = os.environ["BENCH_CA"]
        _of_thread.session.trust_env = False
    return _of_thread.session


@app.post("/guance")
def forward():
    """One alert."""
    event = request.get_json(force=True)
    alert = {
        "title_rule": event["df_title"],
        "event_status": "Critical",
        "alert_key": event["df_monitor_checker_event_ref"],
        "description": event["df_message"],
        "labels": {
            "check": event["df_monitor_checker_name"],
            "link": event["df_event_link"],
            "host": event["host"],
        },
    }
    answer = session().post(
        os.environ["BENCH_UPSTREAM"],
        params={"integration_key": request.args["integration_key"]},
        json=alert,
        timeout=4,
    )
    return {"outcome": "delivered"}, answer.status_code
