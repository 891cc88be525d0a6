"""Tools of development: environments, Node, the browser, the OpenAPI types, figures in Markdown."""
