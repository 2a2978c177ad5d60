"""`python -m benchmarks models`: one report on how good, how fast, how large and how sure of itself the cascade is."""
