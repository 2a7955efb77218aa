"""What was found in a user's model, and the lines that mend it."""
