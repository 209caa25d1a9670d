"""Whatever a client sends: nobody gets in who has no ticket, and nothing falls over."""
