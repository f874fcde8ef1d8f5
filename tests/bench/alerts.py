"""The alerts that are posted: of Guance a template that alerts.lua fills in, of CES signed ones."""

import json
import uuid

from tests.bench.signer import Signer
from tests.simulator import smn
from tests.support import fixtures


def _fixture(vendor, case):
    return json.loads((fixtures.FOLDER / vendor / case / "request.json").read_bytes())


def guance_template(bytes_wanted=0):
    """A body of about 2 KB, or longer by its message; ids stand as @EVENT@ and @ALERT@."""
    event = _fixture("guance", "01-critical-threshold")
    event["df_event_id"], event["df_monitor_checker_event_ref"] = "@EVENT@", "@ALERT@"
    body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    missing = bytes_wanted - len(body.encode())
    if missing > 0:
        event["df_message"] += "x" * missing
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
    return body.encode()


def ces_messages(keys, count):
    """Signed Notifications of about 4 KB, each of an alarm of its own."""
    envelope = _fixture("ces", "04-classic-metric-critical-en")
    template = keys.sign(envelope, topic_urn=smn.TOPIC_URN)
    signer = Signer(keys.signing_key)
    for number in range(count):
        signed = {
            **template,
            "message_id": uuid.uuid4().hex,
            "message": template["message"].replace(
                "al1767225600000EXAMPL001", f"al{number:013}EXAMPL001"
            ),
        }
        signed["signature"] = signer.sign(smn.string_to_sign(signed))
        yield json.dumps(signed, ensure_ascii=False, separators=(",", ":")).encode()
