"""Bytes and values: one folder for each standard, pure, without vendors, network or database.

Built and tested; the running system (`app/`) uses none of them yet.
"""
