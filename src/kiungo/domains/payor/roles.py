"""The payor's scopes, and the roles that bundle them."""

from typing import Final

from kiungo.kernel.auth.roles import define_role
from kiungo.kernel.webhooks.model import READ_WEBHOOKS, WRITE_WEBHOOKS

READ_CLAIMS: Final = "read:claims"
WRITE_CLAIMS: Final = "write:claims"
REVIEW_CLAIMS: Final = "review:claims"
ADMIN_PLANS: Final = "admin:plans"
PAY_CLAIMS: Final = "pay:claims"
OPEN_SCOPES: Final = frozenset({WRITE_CLAIMS})
"""What open submission lets a caller without a credential do: send claims, and read none."""
OPEN_SCOPES_RELAXED: Final = OPEN_SCOPES | {READ_CLAIMS}
"""The same where nothing real is kept (dev and demo), so that the guide's clients can follow their claims."""

PROVIDER = define_role(
    "provider",
    (READ_CLAIMS, WRITE_CLAIMS, READ_WEBHOOKS, WRITE_WEBHOOKS),
    "A hospital or practice: sends claims and sees its own. Bind it to its provider id.",
)
REVIEWER = define_role("reviewer", (READ_CLAIMS, REVIEW_CLAIMS), "Decides claims that wait for a person.")
PLAN_MANAGER = define_role("plan_manager", (READ_CLAIMS, ADMIN_PLANS), "Keeps plans, members, fees, codes and edits.")
CASHIER = define_role("cashier", (READ_CLAIMS, PAY_CLAIMS), "Runs payments of approved claims.")
