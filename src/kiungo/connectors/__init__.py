"""One folder for each vendor or transport; none knows another, our tables or our domains."""
