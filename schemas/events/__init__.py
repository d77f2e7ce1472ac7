"""Every event that may be said, in modules by the service that says it."""
