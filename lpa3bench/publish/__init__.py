"""From a run directory or a board to Weights & Biases, which shows what lies on the disk.

`from_run_directory` and `from_board` say what a run at W&B is to hold; `upload` has the SDK write it, in a
process of its own with a time limit; `following` does so again and again while a run is under way. Only `sdk`
imports W&B's SDK. `board_bundle` puts a board into one file for others, `bundle_check` checks such a file.
Imports no torch.
"""
