"""Our own payor tells our own bookings: its webhook to the door of payers' notices, as any payer would be asked to.

Where both run in one installation a decision is known at once this way, and polling is only what catches up.
"""

from typing import Final

from kiungo.app.flows import OUR_PAYOR
from kiungo.app.registry import TENANT
from kiungo.app.system import System
from kiungo.domains.payor.events import CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED
from kiungo.kernel.database import Unit
from kiungo.kernel.webhooks import Change, endpoints

PATH: Final = f"/vems/v1/payers/{OUR_PAYOR}/notices"
EVENTS: Final = (CLAIM_STATUS_UPDATE, PAYMENT_PROCESSED)


def expect_notices(system: System, our_url: str, provider: str, secret: str) -> None:
    """Have the payor send a provider's events to our notices' door; again it is the same webhook, moved along.

    Shapes: `secret` is the one the connected payer's settings know as its webhook secret.
    Raises: Incorrect EGRESS_REFUSED when the address may not be called.
    """
    url, webhooks = our_url + PATH, system.webhooks

    def work(unit: Unit) -> None:
        known = endpoints.listed(unit, TENANT, owner=provider)
        mine = next((one for one in known if one.url.endswith(PATH)), None)
        if mine is None:
            webhooks.register(unit, tenant=TENANT, owner=provider, url=url, events=EVENTS, secret=secret)
            return
        changed = webhooks.change(unit, mine, Change(url=url, events=EVENTS, active=True))
        webhooks.rotate_secret(unit, changed, secret=secret, overlap_s=0)

    system.database.write(work)
