"""The model over HTTP: recommendations, events, items, people, and a page. Imports nothing; see ``app.build_app`` and ``run.serve``."""
