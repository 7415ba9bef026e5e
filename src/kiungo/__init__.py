"""Kiungo connects a hospital, its payers, its partners and the money between them."""

__version__ = "0.1.0"
