"""The door for plugins: what they may register, who found which, and how to begin one."""
