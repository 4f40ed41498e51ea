"""What a run shows of itself: tables, figures, map files and the HTML page."""
