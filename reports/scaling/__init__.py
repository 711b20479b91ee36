"""Scaling over ranks, weak and strong."""
