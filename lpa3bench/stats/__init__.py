"""Statistics of records: pure functions, with tests from scipy and statsmodels. Imports no torch.

`docs/statistics.md` says which test is used where, and why.
"""
