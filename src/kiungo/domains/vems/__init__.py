"""Bookings of vendor equipment: who is contracted for what, how the cost is shared, and what the payer decided.

Events in:  claim.submitted (a payer took a claim for one of our bookings).
Events out: booking.created, booking.revised, booking.confirmed, booking.service_completed, booking.completed,
            booking.cancelled, booking.overridden, booking.claim_submitted, booking.claim_approved,
            booking.claim_partially_paid, booking.claim_rejected, booking.claim_paid, booking.claim_overdue,
            contract.changed (see events.py).
"""
