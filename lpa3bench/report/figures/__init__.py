"""The paper's figures, drawn by matplotlib from records and plain arrays. Knows no torch."""
