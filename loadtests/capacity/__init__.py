"""How large the service must be: a discrete-event simulation, fed with what was measured."""
