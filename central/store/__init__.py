"""Central's one database: tables, migrations, the one way to read and write, and what every change leaves behind."""
