"""Deep Ritz in boxes of one to three inputs: networks, points, training with and without the term, and measures."""
