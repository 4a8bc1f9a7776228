"""One module for each contract, or part of one; each has a `router`, and may have a `guard` and a `lifespan`."""
