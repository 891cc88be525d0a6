"""The studio: the only part that changes photos and models from the page, on the user's own machine."""
