"""`make bench-web`: the page in a real browser, and inference on the device beside other runtimes."""
