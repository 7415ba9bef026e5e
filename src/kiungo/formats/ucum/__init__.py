"""UCUM: units of measure by their codes, reduced to base units so that amounts can be compared.

Facts only, in our own table. Source: The Unified Code for Units of Measure, version 2.1 (case-sensitive codes).
"""

from kiungo.formats.ucum.expressions import CODE_LENGTH_MAX, Measure, find_measure, is_unit

__all__ = ["CODE_LENGTH_MAX", "Measure", "find_measure", "is_unit"]
