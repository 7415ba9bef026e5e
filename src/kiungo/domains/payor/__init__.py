"""The payer's claims: submit, adjudicate, review by hand, pay, and account for every cent.

Events in:  none.
Events out: claim.submitted, claim.pended, claim.decided, claim.information_requested, claim.voided,
            claim.paid (see events.py). All become webhooks by one line in app/flows.py.

What each file is, and what a new domain has as far as it needs it:

    model.py      its values, frozen            rules/        pure decisions over them, in one declared order
    service.py    its use cases (also review.py, payments.py, voiding.py: one actor or concern each)
    store/        SQL, a module for each group of tables; decides nothing
    mapping/      its values as FHIR resources, and back
    routes/       HTTP: lean routes, FastAPI routes, and their shapes
    stated.py     what a caller sends, read strictly              view.py       what a caller gets
    errors.py     its error codes               events.py     what it tells others, and the webhook bodies
    roles.py      its scopes and roles          access.py     whose records a caller sees
    imports/      reference data from CSV       sample.py     synthetic data for dev, demo and tests
"""
