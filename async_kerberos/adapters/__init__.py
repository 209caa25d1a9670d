"""One file per web framework. The core imports none of them."""
