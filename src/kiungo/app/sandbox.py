"""The simulated outside of `dev` and `demo`: every twin on this machine, and the settings that lead to them.

HTTP twins share one port, each below its own first path segment; the mail relay has a port of its own, and the bank a
folder it works through again and again. They forget everything when they stop.
"""

import random
import secrets
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final
from urllib.parse import urlsplit

from kiungo.app.registry import ConnectorSettings, FollowSettings
from kiungo.app.sandbox_faults import KNOWN, NAME, FaultDesk
from kiungo.app.sandbox_payor import PayorBehindSha
from kiungo.base.time import SystemClock
from kiungo.connectors.afyalink.settings import AfyaLinkSettings
from kiungo.connectors.afyalink.twin import AfyaLinkTwin
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.settings import BankSettings
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.connectors.hcms.connector import HcmsPayer, open_payer
from kiungo.connectors.hcms.settings import HcmsSettings
from kiungo.connectors.mpesa.settings import MpesaSettings
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.connectors.sha.settings import ShaSettings
from kiungo.connectors.sha.twin import ShaTwin
from kiungo.connectors.sms.settings import SmsSettings
from kiungo.connectors.sms.twin import SmsTwin
from kiungo.connectors.smtp.settings import SmtpSettings
from kiungo.connectors.smtp.twin import SmtpTwin
from kiungo.kernel.clients import EgressPolicy
from kiungo.kernel.sandbox import Faults, Served, Twin, serve

HOST: Final = "127.0.0.1"
BANK_STEP_S: Final = 0.5
FLOAT_MINOR: Final = 500_000_000
"""What the sample data say was put at the bank and at M-Pesa before."""
CLAIMS_ASKED_AT_ONCE: Final = 100


class Sandbox:
    """The running twins. A test or a story may plan faults in each of them."""

    def __init__(self, port: int, *, seed: int | None = None) -> None:
        clock = SystemClock()
        # Every start is another seed unless one is given; nothing goes wrong unless somebody plans it.
        chosen = random.randrange(2**32) if seed is None else seed  # noqa: S311 - it draws faults, not secrets
        self.faults = {name: Faults(Random(f"{chosen}/{name}")) for name in KNOWN}  # noqa: S311
        self.afyalink = AfyaLinkTwin(clock, self.faults["afyalink"])
        self.sha = ShaTwin(clock, self.faults["sha"])
        money = FLOAT_MINOR // 100
        self.mpesa = MpesaTwin(clock, self.faults["mpesa"], balance_shillings=money)
        self.sms = SmsTwin(clock, self.faults["sms"])
        self.smtp = SmtpTwin(self.faults["smtp"])
        self._folder = tempfile.TemporaryDirectory(prefix="kiungo-bank-")
        # Numbers go on from the clock, so that a statement of this run is none of an earlier one's.
        box = LocalFolder(Path(self._folder.name))
        self.bank = BankTwin(clock, self.faults["bank"], box, balance_minor=FLOAT_MINOR, _count=int(time.time()))
        self._keys = {name: secrets.token_urlsafe(32) for name in ("callback", "report", "notice")}
        self._payor: HcmsPayer | None = None
        self._closing = threading.Event()
        self._behind_sha = PayorBehindSha(self.sha)
        twins: dict[str, Twin] = {
            "afyalink": self.afyalink, "sha": self._behind_sha, "mpesa": self.mpesa, "sms": self.sms,
        }  # fmt: skip
        self._served = _served(twins | {NAME: FaultDesk(self.faults)}, port)
        self.smtp.start()
        self._bank_thread = threading.Thread(target=self._work_as_bank, name="bank-twin", daemon=True)
        self._bank_thread.start()

    @property
    def url(self) -> str:
        """Where the HTTP twins are reached."""
        return self._served.base_url

    @property
    def notice_secret(self) -> str:
        """What our own payor signs its notices to our bookings with."""
        return self._keys["notice"]

    def settings(self, ours: str, payor_key: str, *, follow: FollowSettings) -> ConnectorSettings:
        """Connects everything to the twins, and our own payor as a payer.

        Shapes: `ours` is where the twins reach us; `payor_key` is the key of our payor's provider.
        """
        hcms = HcmsSettings.model_validate(
            {
                "base_url": f"{ours}/api",
                "api_key": payor_key,
                "webhook_secret": self.notice_secret,
                "batch_max": CLAIMS_ASKED_AT_ONCE,
            }
        )
        if payor_key:
            self._stand_behind_sha(hcms, ours)
        self.sms.report_url = f"{ours}/callbacks/sms/1/{self._keys['report']}"
        afyalink, sha, sms = self.afyalink, self.sha, self.sms
        return ConnectorSettings(
            afyalink=AfyaLinkSettings.model_validate(
                {
                    "base_url": self._served.url("afyalink"),
                    "username": afyalink.username,
                    "password": afyalink.password,
                    "consumer_key": afyalink.consumer_key,
                    "agent": afyalink.agent,
                }
            ),
            hcms=hcms,
            sha=ShaSettings.model_validate(
                {
                    "base_url": self._served.url("sha"),
                    "client_id": sha.client_id,
                    "client_secret": sha.client_secret,
                }
            ),
            mpesa=self._mpesa_settings(ours),
            bank=BankSettings(
                folder=Path(self._folder.name),
                account=self.bank.account,
                account_name="Kiungo sandbox",
                bank_code="01",
                batch_wait_s=1.0,
            ),
            sms=SmsSettings.model_validate(
                {
                    "base_url": self._served.url("sms"),
                    "username": sms.username,
                    "api_key": sms.api_key,
                    "report_key": self._keys["report"],
                }
            ),
            smtp=SmtpSettings(host=HOST, port=self.smtp.port, security="none", sender="pay@kiungo.example"),
            follow=follow,
        )

    def close(self) -> None:
        """Stop everything; nothing of it stays."""
        if self._payor is not None:
            self._payor.close()
        self._closing.set()
        self._bank_thread.join(timeout=5)
        self._served.close()
        self.smtp.close()
        self._folder.cleanup()

    def _mpesa_settings(self, ours: str) -> MpesaSettings:
        twin = self.mpesa
        return MpesaSettings.model_validate(
            {
                "base_url": self._served.url("mpesa"),
                "consumer_key": twin.consumer_key,
                "consumer_secret": twin.consumer_secret,
                "shortcode": twin.shortcode,
                "initiator": twin.initiator,
                "initiator_password": twin.password,
                "certificate": twin.certificate,
                "callback_url": ours,
                "callback_key": self._keys["callback"],
            }
        )

    def _stand_behind_sha(self, settings: HcmsSettings, ours: str) -> None:
        """Our payor decides what comes in as the authority's bundles."""
        host = urlsplit(ours).hostname or HOST
        self._payor = open_payer(settings, EgressPolicy(allow_loopback=True, allowed=(host,)))
        self._behind_sha.stand_behind(self._payor)

    def _work_as_bank(self) -> None:
        """A bank with short days: payments are made at once, and their statement follows."""
        while not self._closing.wait(BANK_STEP_S):
            self.bank.step()
            self.bank.end_day()


def _served(twins: Mapping[str, Twin], port: int) -> Served:
    """The twins on their port, or on a free one when somebody else has it."""
    clock = SystemClock()
    try:
        return serve(twins, clock, host=HOST, port=port)
    except OSError:
        return serve(twins, clock, host=HOST, port=0)
