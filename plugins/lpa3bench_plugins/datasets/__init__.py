"""One file per plugin."""
