"""The payor's SQL: one module per group of tables. Nothing here decides anything."""
