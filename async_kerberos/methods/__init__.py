"""Who somebody is: one way to sign in a file, and what it keeps."""
