"""Forget: a photo leaves every place that this machine can reach, and a receipt says which not (docs/review.md)."""
