"""Pages served to people: rendered on the server, our own assets, no build step, no rules.

A page asks a domain's service and shows its answer. One module for each domain; `pages.py` lists them all.
"""
