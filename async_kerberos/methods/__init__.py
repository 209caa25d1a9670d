"""Who somebody is: in each file one way to sign in, or what such a way keeps."""
