"""The page: its content, its template, and the file."""
