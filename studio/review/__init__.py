"""Review: which photos a person should look at, the worst first, and what is then done about them."""
