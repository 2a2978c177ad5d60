"""Load: whether the service holds what it promises, and how large it must be to hold more."""
