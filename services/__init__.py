"""The services of leadloop, one room each."""
