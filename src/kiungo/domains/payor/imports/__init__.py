"""Reference data from CSV files and admin requests: one way to read a row, whichever way it came."""
