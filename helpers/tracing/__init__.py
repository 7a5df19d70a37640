"""What of `helpers` a page's code reaches: what makes a published page stale."""

from helpers.tracing.reach import missing, reached

__all__ = ["missing", "reached"]
