"""A small shop that forgets database connections: two services on a real PostgreSQL, traced by official packages."""
