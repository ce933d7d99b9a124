"""What goes wrong around the package: every answer is whole, or it is refused."""
