"""Networks of ReLU² and ReLU³ trained on a beam's energy, ½EI u″² − f u."""
