"""A changed configuration: taken up by a running process, and what a broken one does."""

import os
import threading
import time
from urllib.parse import quote

from tests.support import settings
from tests.support.gateway import CGI, FASTCGI, GatewayTest, guance_event
from tests.support.process import wait_until

REFUSED = "configuration refused, the one before it stays in force"
BROKEN = "integrations = (\n"
OTHER_KEY = "another-flashduty-key"


class ReloadTest(GatewayTest):
    """A file that changes under a gateway."""

    flashduty_keys = None

    def setUp(self):
        super().setUp()
        self.path = self.sandbox.folder / "changing.conf"

    def write(self, values=None, mode=0o600, **integration):
        """Writes the file: text as it is, or the usual settings with another Guance section."""
        if values is None:
            sections = [settings.guance_integration(**integration)]
            values = settings.settings(self.flashduty.push_url, integrations=sections)
        temporary = self.path.with_suffix(".new.conf")
        settings.write_config(temporary, values, mode=mode)
        temporary.rename(self.path)

    def keys(self):
        """The Flashduty keys that the events came with."""
        return [event.key for event in self.flashduty.events]

    def post(self, gateway, number):
        """Posts an event of its own."""
        event = guance_event(df_event_id=f"event-{number}", df_title=f"title {number}")
        return gateway.post({**event, "df_monitor_checker_event_ref": f"ref-{number}"})

    def last_valid(self):
        """Where the last valid configuration is kept."""
        return self.sandbox.folder / "flashduty-gateway" / f"{quote(str(self.path), safe='')}.last-valid"


class Running(ReloadTest):
    """A FastCGI process whose file changes."""

    mode = FASTCGI

    def run_gateway(self):
        """A process that has read the file."""
        gateway = self.start("guance", self.path)
        self.wait_for(gateway, "started")
        return gateway

    def messages(self, gateway):
        """What its log says, but for requests."""
        return [record["msg"] for record in gateway.records if record["msg"] != "request"]

    def wait_for(self, gateway, message, count=1):
        """Waits until the log says so."""
        wait_until(lambda: self.messages(gateway).count(message) >= count, what=message)

    def test_a_changed_file_is_taken_up(self):
        """The next alarm goes where the new file says, and the log names the file."""
        self.write()
        gateway = self.run_gateway()
        self.assert_delivered(self.post(gateway, 1))
        since = time.monotonic()
        self.write(flashduty_key=OTHER_KEY)
        self.wait_for(gateway, "configuration taken up")
        self.assertLess(time.monotonic() - since, 8)
        self.assert_delivered(self.post(gateway, 2), count=2)
        self.assertEqual(self.keys(), [settings.GUANCE_FLASHDUTY_KEY, OTHER_KEY])

    def test_a_changed_file_that_it_names_is_taken_up(self):
        """A key that is rotated in a file of its own."""
        key = self.sandbox.folder / "flashduty.key"
        settings.write_config(key, settings.GUANCE_FLASHDUTY_KEY)
        self.write(flashduty_key=f"file:{key}")
        gateway = self.run_gateway()
        self.assert_delivered(self.post(gateway, 1))
        settings.write_config(key, OTHER_KEY)
        self.wait_for(gateway, "configuration taken up")
        self.assert_delivered(self.post(gateway, 2), count=2)
        self.assertEqual(self.keys(), [settings.GUANCE_FLASHDUTY_KEY, OTHER_KEY])

    def test_a_broken_file_changes_nothing(self):
        """One record, once; then the right file is taken up."""
        self.write()
        gateway = self.run_gateway()
        self.write(BROKEN)
        self.wait_for(gateway, REFUSED)
        time.sleep(2.5)
        self.assert_delivered(self.post(gateway, 1))
        self.assertEqual(self.messages(gateway), ["started", REFUSED])
        self.write(flashduty_key=OTHER_KEY)
        self.wait_for(gateway, "configuration taken up")
        self.assert_delivered(self.post(gateway, 2), count=2)
        self.assertEqual(self.keys(), [settings.GUANCE_FLASHDUTY_KEY, OTHER_KEY])

    def test_a_file_that_is_gone_changes_nothing(self):
        """A named file, while it is being replaced."""
        self.write()
        gateway = self.run_gateway()
        self.path.unlink()
        self.wait_for(gateway, REFUSED)
        self.assert_delivered(self.post(gateway, 1))

    def test_a_file_that_others_may_read_changes_nothing(self):
        """Permissions count as they do at the start."""
        self.write()
        gateway = self.run_gateway()
        self.write(flashduty_key=OTHER_KEY, mode=0o644)
        self.wait_for(gateway, REFUSED)
        self.assert_delivered(self.post(gateway, 1))
        self.assertEqual(self.keys(), [settings.GUANCE_FLASHDUTY_KEY])

    def test_a_process_that_started_broken_recovers(self):
        """It answers 503, and takes alarms once the file is right."""
        self.write(BROKEN)
        gateway = self.run_gateway()
        self.assertEqual(self.post(gateway, 1).status, 503)
        self.write()
        self.wait_for(gateway, "configuration taken up")
        self.assert_delivered(self.post(gateway, 2))

    def test_store_and_workers_need_a_restart(self):
        """What a running process cannot change is said."""
        self.write()
        gateway = self.run_gateway()
        store = f"sqlite:{self.sandbox.folder / 'other.db'}"
        self.write(settings.settings(self.flashduty.push_url, store=store, workers=3))
        self.wait_for(gateway, "configuration taken up")
        said = " ".join(self.messages(gateway))
        self.assertIn("another store is taken not before the next start", said)
        self.assertIn("another number of workers is taken not before the next start", said)
        self.assert_delivered(self.post(gateway, 1))
        self.assertFalse((self.sandbox.folder / "other.db").exists())

    def test_no_request_is_lost(self):
        """Alarms that come while the file changes again and again are all delivered."""
        self.write()
        gateway = self.run_gateway()
        answers, ended = [], threading.Event()

        def send(first):
            number = first
            while not ended.is_set() and number < first + 400:
                answers.append(self.post(gateway, number).outcome)
                number += 1

        threads = [threading.Thread(target=send, args=(n * 1000,)) for n in range(3)]
        for thread in threads:
            thread.start()
        for number in range(3):
            self.write(flashduty_key=f"{OTHER_KEY}-{number}")
            self.wait_for(gateway, "configuration taken up", number + 1)
        ended.set()
        for thread in threads:
            thread.join()
        self.assertEqual(set(answers), {"delivered"})
        self.assertEqual(len(self.flashduty.events), len(answers))
        self.assertEqual(self.flashduty.violations, [])

    def test_what_waits_goes_out_with_the_new_key(self):
        """A key that Flashduty refused for hours is mended without a restart."""
        store = f"sqlite:{self.sandbox.folder / 'gateway.db'}"

        def with_key(key):
            section = settings.guance_integration(flashduty_key=key)
            return settings.settings(self.flashduty.push_url, store=store, integrations=[section])

        failure = {"do": "status", "status": 500}
        self.flashduty.answer(failure, times=None, key=settings.GUANCE_FLASHDUTY_KEY)
        self.write({**with_key(settings.GUANCE_FLASHDUTY_KEY), "deadline_ms": 500})
        gateway = self.run_gateway()
        self.assertEqual(self.post(gateway, 1).outcome, "queued")
        self.write(with_key(OTHER_KEY))
        self.wait_for(gateway, "configuration taken up")
        wait_until(lambda: self.keys() == [OTHER_KEY], seconds=30, what="the delivery")


class LastValid:
    """A process that starts while the file is broken."""

    def test_the_last_valid_one_is_taken(self):
        """Logged, and alarms are taken as before."""
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.write(BROKEN)
        gateway = self.run_once()
        self.assert_delivered(self.post(gateway, 2), count=2)
        messages = [record["msg"] for record in gateway.records]
        self.assertIn("configuration refused", messages)
        self.assertIn("the last valid configuration is in force", messages)

    def test_it_is_private_and_named_after_the_file(self):
        """0600, in the state folder."""
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.assertEqual(os.stat(self.last_valid()).st_mode & 0o7777, 0o600)

    def test_what_a_killed_process_left_is_cleared_away(self):
        """One file at most, and it keeps nobody from writing for longer than a minute."""
        left = self.last_valid().with_name(self.last_valid().name + ".new")
        left.parent.mkdir(mode=0o700)
        left.write_text("half of it")
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.assertFalse(self.last_valid().exists())
        os.utime(left, (1, 1))
        self.assert_delivered(self.post(self.run_once(), 2), count=2)
        self.assertTrue(self.last_valid().exists())
        self.assertFalse(left.exists())

    def test_files_that_it_names_are_kept_with_it(self):
        """A key file that is gone."""
        key = self.sandbox.folder / "flashduty.key"
        settings.write_config(key, OTHER_KEY)
        self.write(flashduty_key=f"file:{key}")
        self.assert_delivered(self.post(self.run_once(), 1))
        key.unlink()
        self.assert_delivered(self.post(self.run_once(), 2), count=2)
        self.assertEqual(self.keys(), [OTHER_KEY, OTHER_KEY])

    def test_never_for_a_file_that_others_may_read(self):
        """What is refused for its permissions is refused."""
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.write(mode=0o644)
        self.assertEqual(self.post(self.run_once(), 2).status, 503)

    def test_never_one_that_others_could_write(self):
        """A kept file that somebody opened up is not believed."""
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.last_valid().chmod(0o666)
        self.write(BROKEN)
        self.assertEqual(self.post(self.run_once(), 2).status, 503)
        self.last_valid().chmod(0o600)

    def test_never_of_another_file(self):
        """Each configuration has its own."""
        self.write()
        self.assert_delivered(self.post(self.run_once(), 1))
        self.path = self.path.with_name("other.conf")
        self.write(BROKEN)
        self.assertEqual(self.post(self.run_once(), 2).status, 503)

    def run_once(self):
        """A gateway of this moment."""
        return self.start("guance", self.path)


class LastValidOfCgi(LastValid, ReloadTest):
    """Under plain CGI."""

    mode = CGI


class LastValidOfFastCgi(LastValid, ReloadTest):
    """Under FastCGI."""

    mode = FASTCGI
