"""From a run directory or a board to Weights & Biases, a mirror of what lies on the disk.

`runs` and `boards` read what is to be shown into a `parcel`; `delivery` writes a parcel with the real SDK in
a process of its own and uploads it in another, each with a time limit; `following` does it again and again
while a run is under way. Only `lpa3bench.publish.sdk` knows the SDK. Imports no torch.
"""
