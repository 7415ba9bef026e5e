"""FHIR resources as XML, for every R4 type: `from_xml` reads, `to_xml` writes, nothing is lost between them.

A document type declaration is refused, so no entity is ever expanded and nothing outside the document is looked at.
`places_of` says at which line and column each element began.
Source: FHIR R4 2.6.1 (XML representation).
"""

from kiungo.fhir.xml.problems import FHIR_XML_MALFORMED, FHIR_XML_WRONG, XML_UNWRITABLE
from kiungo.fhir.xml.reading import Place, from_xml, places_of
from kiungo.fhir.xml.writing import to_xml

__all__ = ["FHIR_XML_MALFORMED", "FHIR_XML_WRONG", "XML_UNWRITABLE", "Place", "from_xml", "places_of", "to_xml"]
