"""An endpoint as plain CGI: one process, one request (RFC 3875)."""

import os
import subprocess
from pathlib import Path

from tests.support import paths
from tests.support.answer import parse_cgi
from tests.support.canaries import refuse_keys
from tests.support.process import refuse_findings

DEFAULT = object()


def variables(
    method="POST",
    query="",
    path_info="",
    content_type="application/json",
    content_length=None,
    headers=None,
    script_name="/cgi-bin/endpoint.fcgi",
):
    """The request's variables, as CGI's environment and as FastCGI's parameters alike."""
    values = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_SOFTWARE": "tests",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "192.0.2.1",
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "REQUEST_URI": script_name + path_info + ("?" + query if query else ""),
    }
    if content_type is not None:
        values["CONTENT_TYPE"] = content_type
    if content_length is not None:
        values["CONTENT_LENGTH"] = str(content_length)
    for name, value in (headers or {}).items():
        values["HTTP_" + name.upper().replace("-", "_")] = value
    return values


def program_environment(config=None, extra=None):
    """What a program under test gets besides the request: little, as web servers give little."""
    values = {"PATH": "/usr/bin:/bin", **paths.SANITIZER_OPTIONS}
    # What is kept between requests stays in the sandbox.
    values["XDG_STATE_HOME"] = str(Path(config).parent) if config else "/nonexistent"
    if config is not None:
        values["FLASHDUTY_GATEWAY_CONFIG"] = str(config)
    values.update(extra or {})
    return values


def run_cgi(
    endpoint,
    body=b"",
    config=None,
    environment=None,
    content_length=DEFAULT,
    arguments=(),
    program=None,
    timeout=60,
    **request,
):
    """Runs one request; `request` is what variables() takes.

    content_length: by default the body's true length; None leaves the variable out.
    environment: further variables, which win over the request's own (None removes one).
    """
    length = len(body) if content_length is DEFAULT else content_length
    values = {
        **program_environment(config),
        **variables(content_length=length, **request),
        **(environment or {}),
    }
    done = subprocess.run(
        [os.fspath(program or paths.endpoint(endpoint)), *arguments],
        input=body,
        env={name: value for name, value in values.items() if value is not None},
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    stderr = done.stderr.decode(errors="replace")
    refuse_findings(stderr, f"{endpoint} as CGI")
    refuse_keys(stderr, f"the log of {endpoint} as CGI")
    refuse_keys(done.stdout.decode(errors="replace"), f"the answer of {endpoint} as CGI")
    return parse_cgi(done.stdout, stderr=stderr, exit_status=done.returncode)
