"""Coverage-guided fuzzing; see README.md in this folder."""
