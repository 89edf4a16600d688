"""What `import lpa3bench` offers beside the classes of plugins: runs, records and comparisons from Python.

`running` trains, `loaded_records` reads, `comparing` compares; a notebook or a script calls them as
`lpa3bench.run`, `lpa3bench.load` and `lpa3bench.compare`. Nothing is printed but a run's progress, on stderr.
"""
