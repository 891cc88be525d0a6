"""What leaves this machine: the image, its list of parts, the static site, the branch that hosts build from."""
