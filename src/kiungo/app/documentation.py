"""What the API's description says before its routes: the first line to try, and what each group is for, in order."""

from typing import Final

DESCRIPTION: Final = """\
Kiungo connects a hospital, its payers, its partners and the money between them.

A first line to try, on an installation started with `make run`:

```
curl -s http://127.0.0.1:8000/api/claims/ -H 'Content-Type: application/json' -d '{
  "patient_name": "John Doe", "insurance_id": "BC-789-456",
  "diagnosis_code": "J20.9", "procedure_code": "99213", "amount": "1250.00"}'
```

Everything else needs a key in the header `X-API-Key`; `make run` prints one for each role. Every answer to an error
names the field, the problem and the way out. Send an `Idempotency-Key` with what must not happen twice.

The FHIR R4 API is described by its own statement at `/fhir/metadata`.
"""

TAGS: Final = {
    "claims": "Submit claims, follow them, and ask why they came out as they did.",
    "webhooks": "Addresses that are told of every change, signed; what was sent, and sending it again.",
    "review desk": "Claims that wait for a person.",
    "payment runs": "Paying what was approved.",
    "payor administration": "Plans, members, fees and codes.",
    "Equipment bookings": "Book equipment, share its cost, follow the claim, and ask for the trail.",
    "Equipment contracts": "Facilities, vendors, lots, services, machines and contracts.",
    "Equipment settlements": "What bookings owe, the payments it takes, and the desk of unknown ones.",
    "Equipment payees": "Who is paid and where; where money goes changes only by two persons.",
    "Equipment reconciliation": "Floats, bank statements, lines nobody placed, and the balance proof.",
    "Equipment notifications": "What payees are told, whether it arrived, and who wants no messages.",
    "Equipment analytics": "Services delivered, approvals, days to payment, money by stakeholder; as JSON and CSV.",
    "callbacks": "Where rails and the SMS aggregator report; the secret in the address is the credential.",
    "access": "Keys, clients and roles.",
    "oauth2": "Access tokens for registered clients.",
    "ledger": "Accounts and their postings.",
    "audit": "Whether the trail is whole.",
    "operations": "Jobs that were given up.",
    "health": "Whether the process is well, and its figures.",
}
