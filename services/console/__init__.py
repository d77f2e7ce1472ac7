"""The `leadloop` command: it starts the loop, shows it, and answers for it."""
