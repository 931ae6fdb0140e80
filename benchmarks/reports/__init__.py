"""Makes tables, pages and sheets of records."""
