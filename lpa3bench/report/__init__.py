"""What is shown of records and boards: pages, tables and figures. Knows no torch."""
