"""Moving documents: many files in flight, whole documents published, results in groups."""
