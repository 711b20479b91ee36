"""Rates beside what arithmetic and memory traffic allow."""
