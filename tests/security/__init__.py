"""Names and categories from strangers: shown as they are, and never evaluated."""
