"""What signing in costs, here and with others: `make bench`. Figures and method are in docs/performance.md."""
