"""What banks send and take: statements (camt.053, MT940, CSV), payment files (pain.001, CSV), their answers (pain.002).

Each module has the same verbs: `parse` (bytes to values), `validate` (problems, changes nothing), `render` (values to
bytes). `parse(render(x)) == x` for every value that `validate` finds no fault with.
"""
