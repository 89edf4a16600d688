"""What predictions are scored by: one file per metric."""
