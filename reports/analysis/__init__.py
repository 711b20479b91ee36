"""Records -> cases, trends, step parts and roofs: plain data that findings, tables and charts show. Pure."""
