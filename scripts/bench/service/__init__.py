"""`make bench`: the service, other ways to serve the same model, and no server at all, side by side in one run."""
