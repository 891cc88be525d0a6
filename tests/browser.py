"""The browser of the tests: a real Chromium with a camera that plays a film."""

from scripts.chromium import BrowserMissing, find_chromium, launch

__all__ = ["BrowserMissing", "find_chromium", "launch"]
