"""`make bench`: the cascade on Triton and what it is compared with, measured in one run on one machine."""
