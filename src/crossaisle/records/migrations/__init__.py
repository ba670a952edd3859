"""The store's schema, step by step, as alembic runs it."""
