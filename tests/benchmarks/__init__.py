"""The measurements themselves: that they count what they say, and notice when it is something else."""
