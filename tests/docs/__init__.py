"""Documentation is covered by tests: the reference agrees with the code, and examples do what they say."""
