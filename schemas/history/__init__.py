"""What was ever said: frozen versions, what may change about them, and how old ones are lifted."""
