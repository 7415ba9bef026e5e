"""The simulated rails and messengers in a process of their own, answering at once; prints where they are as JSON."""

import signal
import sys
import threading
from pathlib import Path
from random import Random

from kiungo.base.time import SystemClock
from kiungo.connectors.bank_eft.client import LocalFolder
from kiungo.connectors.bank_eft.twin import BankTwin
from kiungo.connectors.mpesa.twin import MpesaTwin
from kiungo.connectors.sms.twin import SmsTwin
from kiungo.connectors.smtp.twin import SmtpTwin
from kiungo.kernel import json
from kiungo.kernel.sandbox import Faults, serve

FLOAT_SHILLINGS = 1_000_000_000
BANK_STEP_S = 0.2


def main(folder: str, report_url: str) -> None:
    """Serve until told to stop."""
    clock = SystemClock()
    mpesa = MpesaTwin(clock, Faults(Random(1)), balance_shillings=FLOAT_SHILLINGS, result_after_s=0)
    sms = SmsTwin(clock, Faults(Random(2)), report_url=report_url, report_after_s=0)
    smtp = SmtpTwin(Faults(Random(3)))
    bank = BankTwin(clock, Faults(Random(4)), LocalFolder(Path(folder)), balance_minor=FLOAT_SHILLINGS * 100)
    served = serve({"money": mpesa, "sms": sms}, clock)
    smtp.start()
    place = {
        "money": served.url("money"),
        "certificate": mpesa.certificate,
        "sms": served.url("sms"),
        "smtp_port": smtp.port,
        "account": bank.account,
    }
    print(json.dumps(place).decode(), flush=True)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    while not stop.wait(BANK_STEP_S):
        bank.step()
        bank.end_day()
    served.close()
    smtp.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
