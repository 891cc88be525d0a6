"""The demo that records itself: the page, driven with a camera that plays a film, to data/recordings/demo.mp4."""
