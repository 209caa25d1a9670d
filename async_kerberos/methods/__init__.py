"""The ways to sign in: one per file; another file may hold what such a way stores."""
