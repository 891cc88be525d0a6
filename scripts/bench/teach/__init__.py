"""How soon the page answers with what it was taught, whether a killed studio loses anything, and what it knows."""
