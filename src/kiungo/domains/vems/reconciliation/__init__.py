"""Statements against legs: every line used once, balances proved."""
