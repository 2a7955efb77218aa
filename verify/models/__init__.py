"""Models of a user's own in torch: where they are not smooth in x. Imported only when asked for, since torch is."""
