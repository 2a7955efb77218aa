"""What a model of a user is, and where along its input it breaks. Imported only when asked for, since torch is."""
