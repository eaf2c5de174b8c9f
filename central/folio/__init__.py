"""The guest's bill: append-only postings in whole minor units."""
