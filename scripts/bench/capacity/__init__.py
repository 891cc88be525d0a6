"""How much a core carries, held against measurement, and how a cluster grows with its users; see docs/scale.md."""
