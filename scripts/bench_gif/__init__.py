"""GIFs of six clips, made by this project's presets and by others, measured and shown side by side."""
