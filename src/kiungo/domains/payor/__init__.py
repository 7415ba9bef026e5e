"""The payer's claims: submit, adjudicate, review by hand, pay, and account for every cent.

Events in:  none.
Events out: claim.submitted, claim.pended, claim.decided, claim.information_requested, claim.voided,
            claim.paid (see events.py). All become webhooks by one line in app/flows.py.
"""
