"""Many runs: which there are (`plan`), what they will take (`forecast`), and who runs them (`local`, `ray`).

Every run is a process of its own, `lpa3bench run`, and its truth is its run directory: an engine starts
processes and says how they ended, and what became of a run is read from the disk.
"""
