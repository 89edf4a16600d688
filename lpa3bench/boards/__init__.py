"""Boards: tables of methods by settings, pure functions of records and a `board.toml`. Imports no torch.

`definition` reads `board.toml`, `building` puts records into the cells of a `Board`, `storing` takes records
into a board's folder. What a board looks like is the business of `lpa3bench.report`.
"""
