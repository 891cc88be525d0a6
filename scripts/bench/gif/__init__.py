"""This project's GIFs beside ffmpeg's own and gifski's, and how "looks" ranks them (docs/bench-gif.md)."""
