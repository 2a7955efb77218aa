"""The exact gradient of a user's energy by two routes, the discretisations under audit, and the verdict on each."""
