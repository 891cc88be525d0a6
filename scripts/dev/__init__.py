"""Tools of development: environments, Node, the browser, locks, the OpenAPI types, figures in Markdown."""
