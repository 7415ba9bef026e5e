"""Which index rows a resource has: search parameters compiled to extractors, values as both sides write them."""
