"""The dashboard of equipment bookings: figures, bookings, settlements, payments, contracts, payees, banks."""
