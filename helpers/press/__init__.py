"""The press: runs the notebooks, publishes them as pages, and says which pages are fresh."""
