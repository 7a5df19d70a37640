"""The homework's way against the book's way: the same work, in one run.

Both ways are functions of a notebook, as the page has them.  Each module holds TITLE, PAGE, METRIC and GOAL;
`WAYS`, "homework" and "book" → function; `begin(way, quick)`, the arguments of one call, made outside the clock; where
a way changes its arguments, `found(way, arguments, returned)`; and `same(a, b)`, which raises AssertionError where what
the two found differs.
"""
