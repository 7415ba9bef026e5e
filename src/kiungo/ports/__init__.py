"""One module per kind of outside system: what we need from it, never who provides it."""
