"""What was measured: one file a question, resumable cell by cell, JSON in `benchmarks/results`."""
