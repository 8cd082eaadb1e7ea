"""Promotions of completejourney, with planted clicks, through the whole pipeline."""
