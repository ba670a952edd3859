"""What alembic calls to move a store's schema on: all steps in the caller's transaction. Imports: nothing of this package."""

from __future__ import annotations

from alembic import context


def run() -> None:
    context.configure(connection=context.config.attributes["connection"])
    context.run_migrations()


if __name__ == "env_py":  # the name under which alembic loads this file
    run()
