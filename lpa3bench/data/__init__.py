"""Data on the device: whole data sets as uint8 tensors, their training views, and the order of samples."""
