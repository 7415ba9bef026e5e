"""Search: parameters compiled from R4's expressions, the query grammar, the planner and its SQL."""
