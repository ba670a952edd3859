"""A second look at the head of a list: history and candidate read together by one language model. Imports nothing."""
