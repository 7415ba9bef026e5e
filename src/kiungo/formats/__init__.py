"""Bytes and values: one folder for each standard, pure, without vendors, network or database."""
