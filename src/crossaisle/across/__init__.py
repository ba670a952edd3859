"""Across aisles: from what people have elsewhere to a ranking inside an aisle they have not entered. Imports: files of its room."""
