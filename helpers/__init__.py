"""Plumbing for the notebooks of "Deep Learning, Checked": data, loops, checks, figures, and the record of a run."""

__version__ = "0.1.0"
