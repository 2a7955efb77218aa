"""What a report shows: computed once and kept."""
