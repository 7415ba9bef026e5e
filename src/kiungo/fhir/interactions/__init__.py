"""Interactions that write: single ones, patches, batches and transactions, each decided inside a unit of work."""
