"""Notices of money to payees, by template, channel and language."""
