"""What `readme_tables.py` writes between the marks of a page, each part made of records or benchmark JSON."""
