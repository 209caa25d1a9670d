"""What somebody who is signed in may do, and what they are called."""
