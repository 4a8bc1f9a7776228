"""Users that an identity system pushes in, by either contract, into one store."""
