"""Adjudication: pure steps in one declared order (pipeline.py), from a claim and a snapshot to findings."""
