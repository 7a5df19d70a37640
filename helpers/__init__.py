"""Plumbing for the notebooks of "Deep Learning, Checked": data, loops, checks, figures, the record of a run."""

__version__ = "0.1.0"
MIME = "application/vnd.course.run+json"  # the type of the output in which a page carries its record
