"""Across aisles: what is known of people in other aisles, turned into a ranking inside an aisle they have not entered. Imports: files of its room."""
