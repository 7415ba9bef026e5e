"""The only place that knows everything: it puts the parts together, and talks to people."""
