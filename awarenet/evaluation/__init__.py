"""How good the scores are: metrics with honest intervals, and the report over a labelled manifest."""
