"""The warehouse: opening it, and running the SQL models in the order they need each other."""
