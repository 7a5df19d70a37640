"""The homework's way against the book's way: the same work, in one run.

Each module holds TITLE, PAGE, METRIC and GOAL, two functions `homework(quick)` and `book(quick)` that do the same work
and return what they found, and `same(a, b)`, which raises AssertionError where the two differ.
"""
