"""Scripts that measure and simulate; they print ratios and coverage, never bare seconds."""
