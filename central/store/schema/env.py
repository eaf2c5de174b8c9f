"""Alembic's entry: run the migrations on the connection that `migrations.upgrade` gives."""

from alembic import context

context.configure(connection=context.config.attributes["connection"], transactional_ddl=True, transaction_per_migration=False)
with context.begin_transaction():
    context.run_migrations()
