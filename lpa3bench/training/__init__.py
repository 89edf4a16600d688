"""One run: a config trained with one seed, from its plan to its record."""
