"""What was approved becomes money at the payees: shares, legs, payees, the ledger, and what a person decides."""
