"""verify = "fetch": certificates that are not pinned are fetched once, kept, and trusted only so far."""

import os
import re
import subprocess
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from hashlib import sha256

from tests.simulator import smn
from tests.support import paths
from tests.support.gateway import CGI, FASTCGI, GatewayTest

HOUR, DAY = 3600, 24 * 3600
OTHER = "SMN_cn-north-4_" + "0" * 32 + ".pem"


class Certificates:
    """Rules for both ways to run an endpoint."""

    def setUp(self):
        super().setUp()
        self.console = self.sandbox.enter(smn.Console(self.keys))

    def fetching(self, environment=None, **changes):
        """A gateway that pins nothing of the simulator's, but may fetch from it."""
        section = {
            "verify": "fetch",
            "max_age_hours": 0,
            "host": [self.console.host],
            "private_network": True,
        }
        return self.gateway(
            "ces",
            environment,
            smn={**section, **changes},
            ca_file=str(self.keys.ca_certificate),
        )

    def signed(self, text="disk is full", url=None, **changes):
        """A Notification that names the console's certificate."""
        envelope = self.keys.sign(smn.notification(text))
        envelope["signing_cert_url"] = url or self.console.certificate_url
        return {**envelope, **changes}

    @property
    def kept(self):
        """The folder where the gateway keeps certificates."""
        return self.sandbox.folder / "flashduty-gateway" / "certificates"

    def entry(self, suffix, url=None):
        """The file of an address in it."""
        of = url or self.console.certificate_url
        return self.kept / (sha256(of.encode()).hexdigest() + suffix)

    def grow_old(self, seconds, *suffixes):
        """Makes entries older."""
        then = time.time() - seconds
        for suffix in suffixes:
            os.utime(self.entry(suffix), (then, then))

    def test_a_certificate_is_fetched_once_and_kept(self):
        ces = self.fetching()
        for count in range(1, 4):
            self.assert_delivered(ces.post(self.signed()), count)
        self.assertEqual(len(self.console.requests), 1)
        self.assertEqual(self.entry(".pem").read_bytes(),
                         self.keys.signing_certificate.read_bytes())
        self.assertEqual(self.entry(".pem").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.kept.stat().st_mode & 0o777, 0o700)

    def test_a_confirmation_may_need_a_fetched_certificate(self):
        envelope = self.keys.sign(smn.confirmation(self.console.subscribe_url()))
        envelope["signing_cert_url"] = self.console.certificate_url
        answer = self.fetching().post(envelope)
        self.assertEqual((answer.status, answer.outcome), (200, "confirmed"))

    def test_a_pinned_key_needs_no_fetch(self):
        ces = self.fetching(certificate=[str(self.keys.signing_certificate)])
        self.assert_delivered(ces.post(self.signed()))
        self.assertEqual(self.console.requests, [])

    def test_without_fetch_nothing_is_fetched(self):
        answer = self.fetching(verify="pinned").post(self.signed())
        self.assert_refused(answer, 503, "smn.certificate")
        self.assertEqual(self.console.requests, [])

    def test_a_forgery_under_a_name_that_has_verified_is_refused_for_good(self):
        ces = self.fetching()
        forged = self.signed(message="forged")
        self.assert_refused(ces.post(forged), 503, "not held")
        self.assert_delivered(ces.post(self.signed()))
        self.assertEqual(ces.post(forged).status, 403)
        self.assertEqual(len(self.flashduty.events), 1)

    def test_a_name_that_only_stands_in_a_message_is_not_held(self):
        ces = self.fetching(verify="pinned", certificate=[str(self.keys.signing_certificate)])
        other = f"https://{self.console.host}/smn/SMN_cn-north-4_{'0' * 32}.pem"
        self.assert_delivered(ces.post(self.signed(url=other)))
        self.assert_error(ces.post(self.signed(url=other, message="forged")), 503, "not held")

    def test_a_folder_that_others_may_write_is_not_used(self):
        self.kept.mkdir(parents=True)
        self.kept.chmod(0o777)
        answer = self.fetching().post(self.signed())
        self.assertEqual(answer.status, 503 if self.mode == CGI else 200, answer.body)
        self.assertEqual(list(self.kept.iterdir()), [])

    def test_a_certificate_that_cannot_be_had_is_503_and_remembered_for_a_minute(self):
        for behaviour in ({"do": "status", "status": 500}, {"do": "status", "status": 404},
                          {"do": "garbage"}, {"do": "drop"}, {"do": "redirect", "location": self.console.certificate_url}):
            with self.subTest(behaviour=behaviour):
                self.tearDown()
                self.doCleanups()
                self.setUp()
                self.console.answer(behaviour, times=None)
                ces = self.fetching()
                for _ in range(3):
                    self.assert_refused(ces.post(self.signed()), 503, "cannot be had now")
                self.assertEqual(len(self.console.requests), 1)
                self.console.answer({"do": "ok"})

    def test_what_is_no_certificate_is_not_kept(self):
        self.console.answer({"do": "status", "status": 200, "body": "<html>sign in</html>"},
                            times=None)
        self.assert_refused(self.fetching().post(self.signed()), 503, "no certificate")
        self.assertFalse(self.entry(".pem").exists())

    def test_a_huge_answer_is_cut_off(self):
        self.console.answer({"do": "status", "status": 200, "body": "x" * 20000}, times=None)
        self.assert_refused(self.fetching().post(self.signed()), 503, "more than 16384 bytes")

    def test_a_hanging_host_costs_a_second_and_a_half_of_the_deadline(self):
        self.console.answer({"do": "hang", "seconds": 5}, times=None)
        ces = self.fetching()
        start = time.monotonic()
        self.assert_refused(ces.post(self.signed()), 503, "timed out")
        self.assertLess(time.monotonic() - start, 2.5)

    def test_four_addresses_a_minute_are_tried(self):
        ces = self.fetching()
        for number in range(7):
            url = f"https://{self.console.host}/smn/SMN_cn-north-4_{number:032x}.pem"
            self.assert_refused(ces.post(self.signed(url=url)), 503)
        self.assertEqual(len(self.console.requests), 4)
        for path in self.kept.glob("*.attempt"):
            os.utime(path, (time.time() - 61, time.time() - 61))
        self.assert_delivered(ces.post(self.signed()))

    def test_a_try_in_the_future_is_none(self):
        """As after a clock was set back: nothing would be fetched until it is there again."""
        self.kept.mkdir(parents=True)
        for path in (*(self.kept / f"{number:064x}.attempt" for number in range(4)),
                     self.entry(".attempt")):
            path.touch()
            os.utime(path, (time.time() + HOUR, time.time() + HOUR))
        self.assert_delivered(self.fetching().post(self.signed()))
        self.assertEqual([path.name for path in self.kept.glob("*.attempt")],
                         [self.entry(".attempt").name])

    def test_a_try_a_moment_ahead_is_one(self):
        """As where several machines share the folder."""
        self.kept.mkdir(parents=True)
        self.entry(".attempt").touch()
        self.grow_old(-30, ".attempt")
        self.assert_refused(self.fetching().post(self.signed()), 503, "less than a minute ago")

    def test_a_certificate_from_the_future_is_fetched_anew(self):
        ces = self.fetching()
        self.assert_delivered(ces.post(self.signed()))
        self.grow_old(-DAY, ".pem")
        self.grow_old(61, ".attempt")
        self.assert_delivered(ces.post(self.signed()), 2)
        self.assertEqual(len(self.console.requests), 2)
        self.assertLess(self.entry(".pem").stat().st_mtime, time.time() + 1)

    def test_a_certificate_from_the_future_serves_while_the_host_is_out_of_reach(self):
        ces = self.fetching()
        self.assert_delivered(ces.post(self.signed()))
        self.grow_old(-DAY, ".pem")
        self.assert_delivered(ces.post(self.signed()), 2)
        self.assertEqual(len(self.console.requests), 1)

    def test_a_stale_certificate_serves_while_the_host_is_out_of_reach(self):
        ces = self.fetching()
        self.assert_delivered(ces.post(self.signed()))
        self.grow_old(23 * HOUR, ".pem", ".attempt")
        self.assert_delivered(ces.post(self.signed()), 2)
        self.assertEqual(len(self.console.requests), 1)
        self.console.answer({"do": "status", "status": 500}, times=None)
        self.grow_old(25 * HOUR, ".pem", ".attempt")
        self.assert_delivered(ces.post(self.signed()), 3)
        self.assertEqual(len(self.console.requests), 2)
        self.grow_old(8 * DAY, ".pem", ".attempt")
        self.assert_error(ces.post(self.signed()), 503, "cannot be had now")
        self.assertEqual(len(self.flashduty.events), 3)

    def test_a_day_old_certificate_is_fetched_anew(self):
        ces = self.fetching()
        self.assert_delivered(ces.post(self.signed()))
        self.grow_old(25 * HOUR, ".pem", ".attempt")
        self.assert_delivered(ces.post(self.signed()), 2)
        self.assertEqual(len(self.console.requests), 2)
        self.assertLess(time.time() - self.entry(".pem").stat().st_mtime, 60)

    def test_a_kept_file_that_is_cut_is_fetched_anew(self):
        self.kept.mkdir(parents=True)
        whole = self.keys.signing_certificate.read_bytes()
        self.entry(".pem").write_bytes(whole[: len(whole) // 2])
        self.assert_delivered(self.fetching().post(self.signed()))
        self.assertEqual(self.entry(".pem").read_bytes(), whole)

    def test_at_most_64_are_kept(self):
        self.kept.mkdir(parents=True)
        for number in range(70):
            path = self.kept / (sha256(bytes([number])).hexdigest() + ".pem")
            path.write_text("old")
            os.utime(path, (number + 1, number + 1))
        self.assert_delivered(self.fetching().post(self.signed()))
        self.assertEqual(len(list(self.kept.glob("*.pem"))), 64)
        self.assertTrue(self.entry(".pem").exists())

    def test_a_proxy_of_the_environment_is_not_used(self):
        dead = "http://127.0.0.1:9"
        environment = {"http_proxy": dead, "https_proxy": dead, "HTTPS_PROXY": dead,
                       "ALL_PROXY": dead}
        self.assert_delivered(self.fetching(environment).post(self.signed()))

    def test_a_private_address_is_not_asked_unless_the_setting_allows_it(self):
        answer = self.fetching(private_network=False).post(self.signed())
        self.assert_refused(answer, 503, "not public")
        self.assertEqual(self.console.connection_count, 0)

    def test_no_other_address_is_asked(self):
        host, name = self.console.host, self.keys.signing_certificate.name
        region = "cn-north-4"
        good = f"https://{host}/smn/{name}"
        for url in (
            good.replace("https", "http"),
            good.replace("https", "HTTPS"),
            good.replace(host, f"user@{host}"),
            good.replace(host, host + "."),
            good.replace("localhost", "LOCALHOST"),
            good.replace("localhost", "127.0.0.1"),
            good.replace(host, f"evil.example@{host}"),
            good + "?x=1",
            good + "#x",
            good + "/",
            good.replace("/smn/", "/smn//"),
            good.replace("/smn/", "/SMN/"),
            good.replace("/smn/", "/x/../smn/"),
            good.replace("/smn/", "/%73mn/"),
            good.replace(".pem", ".pem%00"),
            good.replace(region, "cn-north-1"),
            good.replace("SMN_", "smn_"),
            f"https://{host}/smn/SMN_{region}_{'0' * 31}.pem",
            f"https://{host}/smn/SMN_{region}_{'0' * 33}.pem",
            f"https://{host}/smn/SMN_{region}_{'g' * 32}.pem",
            f"https://smn.obs.myhuaweicloud.com/smn/{name}",
            f"https://evil.obs.{region}.myhuaweicloud.com/smn/{name}",
            f"https://smn.{region}.myhuaweicloud.com.evil.example/smn/{name}",
            f"https://smn.cn-north-1.myhuaweicloud.com/smn/{name}",
            f"https://console.huaweicloud.com/smn/{name}",
            "",
            "x",
        ):
            with self.subTest(url=url):
                envelope = self.keys.sign(smn.notification("x"))
                envelope["signing_cert_url"] = url
                answer = self.fetching().post(envelope)
                self.assert_refused(answer, 403, "signing_cert_url")
        self.assertEqual(self.console.connection_count, 0)


class CompiledIn(unittest.TestCase):
    """The certificate that the program brings along."""

    def test_its_end_is_the_one_that_is_noted(self):
        """The watchdog tells by it, and no process reads the certificate for that."""
        source = (paths.ROOT / "src/vendors/smn_trust.c").read_text()
        (block,) = re.findall(r"huawei_cloud_pem\[\] =\n((?: +\"[^\n]*\n)+)", source)
        pem = "\n".join(re.findall(r'"(.*)\\n"', block))
        said = subprocess.run(
            ["openssl", "x509", "-noout", "-enddate", "-dateopt", "iso_8601"],
            input=pem.encode(), capture_output=True, check=True,
        ).stdout.decode()  # fmt: skip
        ends = datetime.fromisoformat(said.strip().removeprefix("notAfter=").replace("Z", "+00:00"))
        (noted,) = re.findall(r"\.pem\", huawei_cloud_pem, (\d+)\}", source)
        self.assertEqual(int(noted), ends.timestamp())


class CertificatesByCgi(Certificates, GatewayTest):
    mode = CGI

    @unittest.skipIf(paths.BUILD == "tsan", "the thread sanitizer itself writes files")
    def test_a_folder_that_cannot_be_written_costs_no_alarm(self):
        ces = self.fetching()
        answer = ces.post(self.signed(), program="/usr/bin/prlimit",
                          arguments=("--fsize=0", paths.endpoint("ces")))
        self.assert_delivered(answer)
        self.assertIn("could not be kept", answer.stderr)
        self.assertEqual(list(self.kept.glob("*.pem")) + list(self.kept.glob("*.new")), [])

    def test_without_a_folder_nothing_is_fetched(self):
        answer = self.fetching({"XDG_STATE_HOME": "/nonexistent"}).post(self.signed())
        self.assert_refused(answer, 503, "no folder")
        self.assertEqual(self.console.requests, [])


class CertificatesByFastCgi(Certificates, GatewayTest):
    mode = FASTCGI

    def test_without_a_folder_a_private_one_is_used_and_removed(self):
        temporary = set(os.listdir("/tmp"))
        ces = self.fetching({"XDG_STATE_HOME": "/nonexistent"})
        for count in range(1, 4):
            self.assert_delivered(ces.post(self.signed()), count)
        self.assertEqual(len(self.console.requests), 1)
        self.assertEqual(ces.stop(), 0)
        left = {name for name in set(os.listdir("/tmp")) - temporary
                if name.startswith("flashduty-gateway-")}
        self.assertEqual(left, set())

    def test_messages_that_arrive_together_cost_one_fetch(self):
        ces = self.fetching()
        envelope = self.signed()
        with ThreadPoolExecutor(16) as pool:
            answers = list(pool.map(lambda _: ces.post(envelope), range(16)))
        self.assertEqual([answer.status for answer in answers], [200] * 16)
        self.assertEqual(len(self.console.requests), 1)


if __name__ == "__main__":
    unittest.main()
