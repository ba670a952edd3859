"""The first schema. Imports: nothing of this package.

Ids are texts of any length beside hashes of 16 bytes, which carry the indexes. The one row of ``store`` gives the sequence numbers: whoever
writes what readers follow updates it first, and so holds its lock until the commit; numbers therefore stand in the order of commits.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

# in SQLite only INTEGER PRIMARY KEY is the row's own number
_SEQ = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    store = op.create_table(
        "store",
        sa.Column("one", sa.Integer, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
    )
    op.bulk_insert(store, [{"one": 1, "seq": 0, "name": secrets.token_hex(8), "salt": secrets.token_bytes(16)}])
    op.create_table(
        "events",
        sa.Column("seq", _SEQ, primary_key=True, autoincrement=False),
        sa.Column("event_hash", sa.LargeBinary, nullable=False, unique=True),
        sa.Column("user_hash", sa.LargeBinary, nullable=False),
        sa.Column("event_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("timestamp", sa.Double, nullable=False),
        sa.Column("value", sa.Double),
        sa.Column("recommendation_id", sa.Text),
        sa.Column("received", sa.Double, nullable=False),
    )
    op.create_index("events_of_a_user", "events", ["user_hash"])
    op.create_table(
        "items",
        sa.Column("item_hash", sa.LargeBinary, primary_key=True),
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("body", sa.Text),  # the row as JSON; none where the item is gone
    )
    op.create_index("items_in_order", "items", ["seq"])
    op.create_table(
        "lists",
        sa.Column("list_hash", sa.LargeBinary, primary_key=True),
        sa.Column("user_hash", sa.LargeBinary),
        sa.Column("timestamp", sa.Double, nullable=False),
        sa.Column("body", sa.Text, nullable=False),  # the list as JSON
    )
    op.create_index("lists_of_a_user", "lists", ["user_hash"])
    op.create_index("lists_in_order", "lists", ["timestamp", "list_hash"])
    op.create_table(
        "forgotten",
        sa.Column("user_hash", sa.LargeBinary, primary_key=True),  # salted
        sa.Column("seq", sa.BigInteger, nullable=False),
        sa.Column("since", sa.Double, nullable=False),
    )
    op.create_index("forgotten_in_order", "forgotten", ["seq"])
    op.create_table("facts", sa.Column("key", sa.Text, primary_key=True), sa.Column("value", sa.Text, nullable=False))
