"""Style and shape as tests: what a reviewer would otherwise have to remember."""
