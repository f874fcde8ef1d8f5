"""Several nodes on one PostgreSQL, with real servers: what holds whichever of them fails."""
