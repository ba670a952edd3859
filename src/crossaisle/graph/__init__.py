"""The association graph: which categories lead to which, counted from histories and linked by words."""
