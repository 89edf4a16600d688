"""What everything else stands on: devices, processes, random numbers, files and folders, signals."""
