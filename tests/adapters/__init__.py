"""What each adapter does beside the contract: where its decorator can stand, and how checks nest. In process."""
