"""Utility: iif, aggregate, coalesce, trace, defineVariable, now, today, timeOfDay.

Source: FHIRPath N1, 5.9, 5.5.1 (iif), 7 (aggregate); 3.0.0-ballot for defineVariable and coalesce.
"""

from kiungo.fhir.fhirpath.errors import failed
from kiungo.fhir.fhirpath.functions.arguments import text_argument
from kiungo.fhir.fhirpath.functions.registry import MANY, Arguments, Step, function
from kiungo.fhir.fhirpath.run import RESERVED, Run
from kiungo.fhir.fhirpath.temporal import Temporal, rendered
from kiungo.fhir.fhirpath.values import Collection


@function("iif", 2, 3)
def _iif(arguments: Arguments) -> Step:
    condition, then = arguments[0], arguments[1].items
    otherwise = arguments[2].items if len(arguments) > 2 else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        if len(items) > 1:
            raise failed(f"iif() decides for one item and was given {len(items)}", hint="Use select(iif(...))")
        if condition.truth(run, items) is True:
            return then(run, items)
        return otherwise(run, items) if otherwise else []

    return step


@function("aggregate", 1, 2)
def _aggregate(arguments: Arguments) -> Step:
    body = arguments[0].items
    start = arguments[1].items if len(arguments) > 1 else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        outer_index, outer_total = run.index, run.total
        run.total = start(run, this) if start else []
        run.spend(len(items))
        for run.index, item in enumerate(items):
            run.total = body(run, [item])
        found = run.total
        run.index, run.total = outer_index, outer_total
        return found

    return step


@function("coalesce", 1, MANY)
def _coalesce(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        for argument in arguments:
            found = argument.items(run, items)
            if found:
                return found
        return []

    return step


@function("trace", 1, 2)
def _trace(arguments: Arguments) -> Step:
    name = text_argument(arguments[0], "trace")
    projection = arguments[1].items if len(arguments) > 1 else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        shown = items if projection is None else [one for item in items for one in projection(run, [item])]
        run.host.trace(name(run, this) or "", shown)
        return items

    return step


@function("defineVariable", 1, 2)
def _define_variable(arguments: Arguments) -> Step:
    name = text_argument(arguments[0], "defineVariable")
    value = arguments[1].items if len(arguments) > 1 else None

    def step(run: Run, items: Collection, this: Collection) -> Collection:
        wanted = name(run, this)
        if not wanted:
            raise failed("defineVariable() needs a name for the variable")
        if wanted in RESERVED or wanted in run.variables or wanted in run.environment:
            raise failed(f"The variable %{wanted} is set already and cannot be set again", hint="Choose another name")
        run.variables = {**run.variables, wanted: value(run, items) if value else items}
        return items

    return step


@function("now")
def _now(arguments: Arguments) -> Step:
    return lambda run, items, this: [run.now_value()]


@function("today")
def _today(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        day = Temporal("Date", run.now_value().parts[:3])
        return [Temporal("Date", day.parts, None, rendered(day))]

    return step


@function("timeOfDay")
def _time_of_day(arguments: Arguments) -> Step:
    def step(run: Run, items: Collection, this: Collection) -> Collection:
        time = Temporal("Time", run.now_value().parts[3:])
        return [Temporal("Time", time.parts, None, rendered(time))]

    return step
