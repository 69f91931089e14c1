"""First stages: from topics to a Run."""
