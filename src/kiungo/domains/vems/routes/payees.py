"""Payees over HTTP: who is paid, where, and what they owe back. Where money goes changes only by two persons."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from kiungo.base.errors import Conflict, Detail, NotFound
from kiungo.domains.vems.errors import invalid
from kiungo.domains.vems.notifications.templates import LANGUAGES
from kiungo.domains.vems.roles import APPROVE_PAYEES, READ_PAYEES, WRITE_PAYEES
from kiungo.domains.vems.routes import money_views as views
from kiungo.domains.vems.routes.describing import LIMIT, OBJECT, TEXT, fields, many, one, operation, text, words
from kiungo.domains.vems.routes.reading import Sent, whole_of
from kiungo.domains.vems.routes.settlements import API, OWN
from kiungo.domains.vems.routes.shapes import limit_of, page
from kiungo.domains.vems.settlement import listing, payees
from kiungo.domains.vems.settlement.errors import PAYEE_DETAILS_STATE, PAYEE_NOT_FOUND
from kiungo.domains.vems.settlement.model import FEE_PAYEE, Payee, Preference
from kiungo.domains.vems.settlement.payees import NAME_LENGTH_MAX, PREFERENCES_MAX
from kiungo.domains.vems.settlement.service import Settlements
from kiungo.kernel.auth import Call
from kiungo.kernel.database import Database, Unit
from kiungo.kernel.http import Request, Response, Route
from kiungo.ports.payment import Destination, DestinationKind

TAG: Final = "Equipment payees"
KINDS: Final = ("wallet", "shortcode", "till", "bank_account")
NUMBER_MAX: Final = 20
CODE_MAX: Final = 3
SHOWN_MAX: Final = 100
ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
PHONE: Final = re.compile(r"\+[1-9][0-9]{7,14}", re.ASCII)
EMAIL: Final = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")

_PREFERENCE: Final = fields(
    ("rail", "kind", "number"), rail=text(32), kind=words(*KINDS), number=text(NUMBER_MAX), bankCode=TEXT,
    branchCode=TEXT,
)  # fmt: skip
LIST: Final = operation(
    "Payees by their ids", "One page", tag=TAG, schema=many(OBJECT), query={"after": TEXT, "limit": LIMIT}
)
SHOW: Final = operation(
    "A payee, every version of its payment details, and what it owes back", "The payee", tag=TAG, schema=one(OBJECT)
)
PUT: Final = operation(
    "Register a payee, or change its name and how it is told",
    "The payee",
    tag=TAG,
    writes=True,
    body=fields(
        ("name",), name=text(NAME_LENGTH_MAX), language=words(*LANGUAGES), phone={"type": "string"},
        email={"type": "string"},
    ),
)  # fmt: skip
PROPOSE: Final = operation(
    "Propose where a payee is paid, best first; a colleague has to approve it",
    "The payee with the proposed version",
    tag=TAG,
    writes=True,
    status="201",
    body=fields(
        ("preferences",),
        preferences={"type": "array", "minItems": 1, "maxItems": PREFERENCES_MAX, "items": _PREFERENCE},
    ),
)
APPROVE: Final = operation(
    "Approve proposed details; changed ones are on hold first", "The payee", tag=TAG, writes=True
)
REFUSE: Final = operation("Refuse proposed details", "The payee", tag=TAG, writes=True)


@dataclass(frozen=True, slots=True)
class PayeeApi:
    """The handlers."""

    database: Database
    settlements: Settlements

    async def page(self, request: Request) -> Response:
        """GET /vems/v1/payees"""
        asked, call = dict(request.query), request.call
        limit = limit_of(asked)
        found = await self.database.read_async(
            lambda unit: payees.payees_page(unit, call.tenant, after=asked.get("after", ""), limit=limit + 1)
        )
        return page(found, limit, lambda payee: payee.payee_id, views.payee)

    async def show(self, request: Request) -> Response:
        """GET /vems/v1/payees/{payee}"""
        call, payee_id = request.call, request.params["payee"]
        found = await self.database.read_async(lambda unit: shown(unit, call, payee_id))
        return Response.json({"success": True, "data": found})

    async def put(self, request: Request) -> Response:
        """PUT /vems/v1/payees/{payee}"""
        call, payee = request.call, read_payee(Sent.of(request), request.params["payee"])

        def work(unit: Unit) -> Response:
            payees.put_payee(unit, call, payee)
            return Response.json({"success": True, "data": shown(unit, call, payee.payee_id)})

        return await request.write(work)

    async def propose(self, request: Request) -> Response:
        """POST /vems/v1/payees/{payee}/details"""
        call, payee_id = request.call, request.params["payee"]
        preferences = self.read_preferences(request.json())

        def work(unit: Unit) -> Response:
            payees.propose_details(unit, call, payee_id, preferences)
            return Response.json({"success": True, "data": shown(unit, call, payee_id)}, 201)

        return await request.write(work)

    async def approve(self, request: Request) -> Response:
        """POST /vems/v1/payees/{payee}/details/{version}/approve"""
        call, payee_id, version = request.call, request.params["payee"], _version(request)
        hold_s = self.settlements.policy.details_hold_s

        def work(unit: Unit) -> Response:
            payees.approve_details(unit, call, payee_id, version, hold_s=hold_s)
            return Response.json({"success": True, "data": shown(unit, call, payee_id)})

        return await request.write(work)

    async def refuse(self, request: Request) -> Response:
        """POST /vems/v1/payees/{payee}/details/{version}/refuse"""
        call, payee_id, version = request.call, request.params["payee"], _version(request)

        def work(unit: Unit) -> Response:
            payees.refuse_details(unit, call, payee_id, version)
            return Response.json({"success": True, "data": shown(unit, call, payee_id)})

        return await request.write(work)

    def read_preferences(self, value: Any) -> list[Preference]:
        """Destinations as sent, on rails that are connected and can pay them. Raises: Incorrect BOOKING_INVALID."""
        sent = Sent(value)
        given = sent.value.get("preferences")
        if not isinstance(given, list) or not 1 <= len(given) <= PREFERENCES_MAX:
            raise invalid([Detail("preferences", f"The preferences must be a list of 1 to {PREFERENCES_MAX}.")])
        found = []
        problems: list[Detail] = []
        for place, item in enumerate(given):
            if not isinstance(item, dict):
                problems.append(Detail(f"preferences.{place}", f"The preferences.{place} must be an object."))
                continue
            one_sent = Sent(item)
            found.append(self._preference(one_sent))
            problems += [
                Detail(f"preferences.{place}.{one.field}", one.message.replace("The ", f"The preferences.{place}.", 1))
                for one in one_sent.problems
            ]
        if problems:
            raise invalid(problems)
        return found

    def _preference(self, sent: Sent) -> Preference:
        rails = self.settlements.rails
        rail = sent.text("rail", most=32)
        kind = sent.text("kind", choices=KINDS)
        number = sent.text("number", most=NUMBER_MAX)
        bank = sent.text("bankCode", most=CODE_MAX, required=kind == "bank_account")
        branch = sent.text("branchCode", most=CODE_MAX, required=kind == "bank_account")
        if rail and rail not in rails:
            connected = ", ".join(sorted(rails)) or "none is connected"
            sent.wrong("rail", f"The selected rail is invalid. Use one of: {connected}.")
        elif rail and kind in KINDS and kind not in rails[rail].destinations:
            able = ", ".join(sorted(rails[rail].destinations))
            sent.wrong("kind", f"The selected kind cannot be paid by {rail}. It pays to: {able}.")
        return Preference(rail, Destination(cast("DestinationKind", kind), number, bank, branch))

    def routes(self) -> list[Route]:
        """The routes."""
        one_payee = OWN + "/payees/{payee}"
        version = one_payee + "/details/{version}"
        return [
            Route("GET", f"{OWN}/payees", self.page, scope=READ_PAYEES, api=API, openapi=LIST),
            Route("GET", one_payee, self.show, scope=READ_PAYEES, api=API, openapi=SHOW),
            Route("PUT", one_payee, self.put, scope=WRITE_PAYEES, api=API, openapi=PUT),
            Route("POST", f"{one_payee}/details", self.propose, scope=WRITE_PAYEES, api=API, openapi=PROPOSE),
            Route("POST", f"{version}/approve", self.approve, scope=APPROVE_PAYEES, api=API, openapi=APPROVE),
            Route("POST", f"{version}/refuse", self.refuse, scope=APPROVE_PAYEES, api=API, openapi=REFUSE),
        ]


def read_payee(sent: Sent, payee_id: str) -> Payee:
    """A payee as sent. Raises: Incorrect BOOKING_INVALID."""
    if not ID.fullmatch(payee_id) or payee_id == FEE_PAYEE:
        sent.wrong("payee", "The payee must be 1 to 64 letters, digits, dots, dashes and underscores.")
    name = sent.text("name", most=NAME_LENGTH_MAX)
    language = sent.text("language", required=False, choices=LANGUAGES) or LANGUAGES[0]
    phone = sent.text("phone", required=False, form=PHONE)
    email = sent.text("email", required=False, form=EMAIL)
    sent.check()
    return Payee(payee_id, name, language, phone, email)


def missing_payee(payee_id: str) -> NotFound:
    """The refusal of an unknown payee."""
    return NotFound(PAYEE_NOT_FOUND, f"No payee {payee_id[:64]}", field="payee", hint="Create the payee first")


def shown(unit: Unit, call: Call, payee_id: str) -> Mapping[str, Any]:
    """A payee with all that is known of it. Raises: NotFound PAYEE_NOT_FOUND."""
    found = payees.find_payee(unit, call.tenant, payee_id)
    if found is None:
        raise missing_payee(payee_id)
    return views.payee(found) | {
        "details": [views.details(one) for one in payees.details_of(unit, call.tenant, payee_id)],
        "clawbacks": [
            views.clawback(one) for one in listing.clawbacks(unit, call.tenant, payee=payee_id, limit=SHOWN_MAX)
        ],
    }


def _version(request: Request) -> int:
    version = whole_of(request.params["version"])
    if version is None:
        raise Conflict(PAYEE_DETAILS_STATE, "No such version is waiting for a decision", field="version", hint="List")
    return version
