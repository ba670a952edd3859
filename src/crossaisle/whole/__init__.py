"""A model as a whole: fitted, its people, the contents of a version on disk, lists from it, and what is said of it."""
