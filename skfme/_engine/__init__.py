"""How predictions are obtained and differenced; no user-facing names."""
