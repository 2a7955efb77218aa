"""How packs are made: records of cases, the agreement of their routes, the packs that are shipped."""
