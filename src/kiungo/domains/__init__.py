"""What the business decides: siblings that never import each other."""
