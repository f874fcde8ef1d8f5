"""A configured gateway to put behind a web server, with the simulators around it."""

from tests.simulator.flashduty import Flashduty
from tests.simulator.smn import Console, shared_keys
from tests.support import settings, shared
from tests.support.answer import http_request
from tests.support.webserver import Place

# The default, which every shipped file has to leave room for.
MAX_BODY_BYTES = 524288


class Site(Place):
    """Everything but the web server, which the tests start on it."""

    def __init__(self, sandbox):
        super().__init__(sandbox, shared.free_port())
        self.keys = shared_keys()
        self.flashduty = self.sandbox.enter(Flashduty())
        self.console = self.sandbox.enter(Console(self.keys))
        self.configure(
            settings.settings(
                self.flashduty.push_url,
                smn=settings.trusting(self.keys, self.console.port),
                ca_file=str(self.keys.ca_certificate),
                status_key=settings.STATUS_KEY,
            )
        )

    def request(self, path, body=None, **options):
        """One HTTP request to the server."""
        return http_request(self.port, path, body, **options)

    def log_texts(self):
        """Name and text of everything that any process logged."""
        files = [*self.folder.glob("*.log"), *self.logs.iterdir()]
        return {path.name: path.read_text(errors="replace") for path in files}
