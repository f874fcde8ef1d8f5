"""Huawei's message service: signs envelopes, posts them, and has a console that confirms.

The signature is the one proved on genuine messages: RSASSA-PKCS1-v1_5 with SHA-256 over name LF
value LF of the signed members in alphabetical order
(https://support.huaweicloud.com/intl/en-us/usermanual-smn/smn_ug_a9003.html).

    keys = shared_keys()                 one RSA key and one CA for all tests of a run
    envelope = keys.sign({...})          with signature, signature_version, signing_cert_url
    post(url, envelope)                  with the X-SMN headers, trying again after 5xx if asked
    with Console(keys) as console:       https://localhost:PORT/smn/subscription/confirm
"""

import base64
import http.client
import json
import re
import ssl
import subprocess
import time
import uuid
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from tests.simulator import server
from tests.support import shared
from tests.support.answer import Answer

NOTIFICATION_MEMBERS = ("message", "message_id", "subject", "timestamp", "topic_urn", "type")
CONFIRMATION_MEMBERS = ("message", "message_id", "subscribe_url", "timestamp", "topic_urn", "type")
CONFIRM_PATH = "/smn/subscription/confirm"
CERTIFICATE_DAYS = "30"
SECONDS_TO_ANSWER = 5
TOPIC_URN = "urn:smn:cn-north-4:00000000000000000000000000000000:ops-alarms"


def _openssl(*arguments, data=None):
    """Runs openssl and returns what it wrote."""
    done = subprocess.run(
        ["openssl", *map(str, arguments)], input=data, capture_output=True, check=False
    )
    if done.returncode != 0:
        raise RuntimeError(f"openssl {arguments[0]}: {done.stderr.decode(errors='replace')}")
    return done.stdout


def string_to_sign(envelope):
    """The bytes that the signature of an envelope covers."""
    names = NOTIFICATION_MEMBERS
    if envelope["type"] != "Notification":
        names = CONFIRMATION_MEMBERS
    members = [(name, envelope.get(name) or "") for name in names]
    # A subject alone may be missing; everything else has its lines, empty or not.
    kept = [(name, value) for name, value in members if value or name != "subject"]
    return "".join(f"{name}\n{value}\n" for name, value in kept).encode()


class Keys:
    """A signing key with its certificate, and a CA with a certificate for servers' names."""

    def __init__(self, folder, names=("localhost",)):
        self.folder = Path(folder)
        self._names = names
        self.signing_key = self.folder / "signing.key"
        self.ca_certificate = self.folder / "ca.pem"
        self.server_certificate = self.folder / "localhost.pem"
        self.server_key = self.folder / "localhost.key"

    @property
    def signing_certificate(self):
        """The PEM file to pin, named as Huawei names such files."""
        return next(self.folder.glob("SMN_cn-north-4_*.pem"))

    def make(self):
        """Makes what is not there yet."""
        if self.server_certificate.exists():
            return self
        self.folder.mkdir(mode=0o755, exist_ok=True)
        certificate = self.folder / f"SMN_cn-north-4_{uuid.uuid4().hex}.pem"
        self._self_signed(self.signing_key, certificate, "Huawei-Cloud-SMN-Test", "rsa:2048")
        ca_key = self.folder / "ca.key"
        self._self_signed(ca_key, self.ca_certificate, "Test CA", "ec")
        self._for_servers(ca_key)
        for public in self.folder.glob("*.pem"):
            public.chmod(0o644)
        return self

    def _self_signed(self, key, certificate, name, kind):
        curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
        _openssl(
            "req", "-x509", "-newkey", kind, *curve, "-nodes", "-subj", f"/CN={name}",
            "-days", CERTIFICATE_DAYS, "-keyout", key, "-out", certificate,
        )  # fmt: skip

    def _for_servers(self, ca_key):
        """The servers' certificate; written last, because its presence says that all is there."""
        names = ",".join(f"DNS:{name}" for name in self._names)
        request = _openssl(
            "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-subj", f"/CN={self._names[0]}", "-addext", f"subjectAltName={names},IP:127.0.0.1",
            "-keyout", self.server_key,
        )  # fmt: skip
        certificate = _openssl(
            "x509", "-req", "-CA", self.ca_certificate, "-CAkey", ca_key, "-CAcreateserial",
            "-copy_extensions", "copyall", "-days", CERTIFICATE_DAYS, data=request,
        )  # fmt: skip
        self.server_certificate.write_bytes(certificate)

    def signature(self, data):
        """The base64 signature of bytes."""
        raw = _openssl("dgst", "-sha256", "-sign", self.signing_key, data=data)
        return base64.b64encode(raw).decode()

    def sign(self, envelope, **changes):
        """A copy of the envelope, changed where given (None removes), signed with this key."""
        signed = {**envelope, **changes}
        signed = {name: value for name, value in signed.items() if value is not None}
        region = signed["topic_urn"].split(":")[2]
        host = f"smn.{region}.myhuaweicloud.com"
        signed["signing_cert_url"] = f"https://{host}/smn/{self.signing_certificate.name}"
        signed["signature_version"] = "v1"
        signed["signature"] = self.signature(string_to_sign(signed))
        return signed

    def server_context(self):
        """TLS for a server with these names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server_certificate, self.server_key)
        return context


def shared_keys():
    """The keys of this run, made by whoever asks first."""
    with shared.locked("keys"):
        return Keys(shared.folder() / "keys").make()


def _timestamp(at=None):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def notification(message, subject=None, topic_urn=TOPIC_URN, at=None):
    """An unsigned Notification; the message may be a dictionary."""
    if not isinstance(message, str):
        message = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
    envelope = {
        "type": "Notification",
        "message_id": uuid.uuid4().hex,
        "topic_urn": topic_urn,
        "message": message,
        "timestamp": _timestamp(at),
    }
    if subject is not None:
        envelope["subject"] = subject
    return envelope


def confirmation(subscribe_url, kind="SubscriptionConfirmation", topic_urn=TOPIC_URN, at=None):
    """An unsigned confirmation of a subscription (or, by its kind, of the end of one)."""
    return {
        "type": kind,
        "message_id": uuid.uuid4().hex,
        "topic_urn": topic_urn,
        "message": f"You are invited to subscribe to topic: {topic_urn}. To confirm this "
        "subscription, please visit the subscribe_url included in this message. "
        "The subscribe_url is valid only within 48 hours.",
        "subscribe_url": subscribe_url,
        "timestamp": _timestamp(at),
    }


def headers_of(envelope):
    """The headers that SMN posts an envelope with."""
    return {
        "Content-Type": "application/json; charset=utf-8",
        "X-SMN-MESSAGE-TYPE": envelope["type"],
        "X-SMN-MESSAGE-ID": envelope["message_id"],
        "X-SMN-TOPIC-URN": envelope["topic_urn"],
    }


def post(url, envelope, tries=1, pause=0.1, ca_file=None):
    """Posts as SMN does; after a 5xx or no answer within 5 s again, up to `tries` times.

    Returns the last answer; None if none came.
    """
    body = envelope
    headers = {}
    if isinstance(envelope, dict):
        body = json.dumps(envelope, ensure_ascii=False).encode()
        headers = headers_of(envelope)
    answer = None
    for attempt in range(tries):
        if attempt:
            time.sleep(pause)
        try:
            answer = _post_once(url, body, headers, ca_file)
        except (OSError, http.client.HTTPException):
            answer = None
        if answer is not None and answer.status < 500:
            break
    return answer


def _post_once(url, body, headers, ca_file):
    parts = urlsplit(url)
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=ca_file)
        connection = http.client.HTTPSConnection(
            parts.netloc, timeout=SECONDS_TO_ANSWER, context=context
        )
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS_TO_ANSWER)
    try:
        connection.request("POST", f"{parts.path}?{parts.query}", body, headers)
        response = connection.getresponse()
        fields = {name.lower(): value for name, value in response.getheaders()}
        return Answer(response.status, fields, response.read())
    finally:
        connection.close()


class Console(server.ScriptedServer):
    """Huawei's console, where a subscription becomes Confirmed by a GET of its subscribe_url."""

    def __init__(self, keys, port=0):
        super().__init__(port, keys.server_context())
        self.confirmed = []
        self._keys = keys

    @property
    def certificate_url(self):
        """Where it serves the signing certificate, as SMN's host of a region does."""
        return f"https://{self.host}/smn/{self._keys.signing_certificate.name}"

    @property
    def host(self):
        """HOST:PORT, as smn.host lists it."""
        return f"localhost:{self.port}"

    def subscribe_url(self, topic_urn=TOPIC_URN, token=None):
        """The link of a new subscription to a topic."""
        region = topic_urn.split(":")[2]
        token = token or uuid.uuid4().hex * 4
        query = urlencode({"token": token, "topic_urn": topic_urn, "region": region}, safe=":")
        return f"https://{self.host}{CONFIRM_PATH}?{query}"

    def state(self):
        """Besides the counts: the topics that are Confirmed."""
        return {**super().state(), "confirmed": self.confirmed}

    def respond(self, request):
        """Confirms, if the link is one; serves the certificate."""
        if request.path == f"/smn/{self._keys.signing_certificate.name}":
            return server.Answer(200, self._keys.signing_certificate.read_bytes())
        topic_urn = request.parameter("topic_urn")
        token = request.parameter("token") or ""
        if request.method != "GET" or request.path != CONFIRM_PATH:
            return server.Answer.of_json(404, {"code": "SMN.00010404", "message": "not found"})
        if not topic_urn or not re.fullmatch("[0-9a-f]{128}", token):
            return server.Answer.of_json(400, {"code": "SMN.00010013", "message": "invalid token"})
        self.confirmed.append(topic_urn)
        subscription_urn = f"{topic_urn}:{uuid.uuid4().hex}"
        return server.Answer.of_json(
            200, {"message": "You have subscribed.", "subscription_urn": subscription_urn}
        )
