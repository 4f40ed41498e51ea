"""Tables, figures, map files and HTML pages of a run, and pages over several runs."""
