"""A tenant's own search parameters: active SearchParameter resources, as data.

Storing one adds rows, never a table: its values stand in the tables of R4's parameters under a key of its own. It is
`building` until a job has indexed what was stored before; searches by it meanwhile say how far that is.

    reading.py     what a SearchParameter resource asks for
    register.py    which parameters a tenant has, and what writing a SearchParameter changes
    reindexing.py  the job that walks through what is stored, resumable to the chunk

The index rows of a resource for own parameters are made in `search/own_values.py`.
"""
