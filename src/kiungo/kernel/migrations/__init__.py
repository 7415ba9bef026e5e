"""The schema's history, oldest first; each file is one step forward and none goes back."""
