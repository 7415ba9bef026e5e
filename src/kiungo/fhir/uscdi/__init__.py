"""USCDI v3 over US Core 6.1.0: what a person's record has, lacks, or has wrong.

elements   the table: each data element, the profile and path it stands at
record     a person's resources, from the store or from a file
assessing  the table asked of a record, and what a page shows of it
"""
