"""What managers read: one module a report, each with its title, columns and rows."""
