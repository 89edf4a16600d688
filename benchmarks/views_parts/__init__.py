"""What makes the same views elsewhere: parts of views.py."""
