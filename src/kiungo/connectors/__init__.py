"""One folder for each vendor or transport; none knows another, our tables or our domains.

Built and tested against their twins; the running system (`app/`) uses none of them yet.
"""
