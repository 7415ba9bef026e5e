"""Every step of the pipeline has its place in the order findings are told in."""

import sys

from kiungo.domains.payor.rules import order
from kiungo.domains.payor.rules.pipeline import STEPS


def test_every_step_that_makes_findings_has_a_place() -> None:
    modules = {sys.modules[step.__module__] for step in STEPS}
    named = {module.STEP for module in modules if hasattr(module, "STEP")}
    assert len(named) > 10
    assert named <= set(order._RANK)
