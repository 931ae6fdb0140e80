"""No two live rows of a plan share a byte of the arena, and damaged plans are caught.

`EDGE_SR_MODELS=1500 pytest tests/engine/test_engine_overlap.py` checks that many random networks.
"""

import dataclasses
import os
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from random_models import EngineWriter, RandomNetwork, networks

from edge_sr import zoo
from edge_sr.engine.memory_plan import Ring, Size
from edge_sr.engine.overlap import check_overlap
from edge_sr.engine.plan import Plan, make_plan
from edge_sr.errors import VerificationError
from edge_sr.graph import read_graph

ZOO = Path(zoo.__file__).parent
SHIPPED = sorted(str(path.relative_to(ZOO)) for path in ZOO.rglob("*int8.tflite"))
MODELS = int(os.environ.get("EDGE_SR_MODELS", "100"))


def planned(name: str) -> Plan:
    return make_plan(read_graph(ZOO / name))


def with_ring(plan: Plan, index: int, **changes: object) -> Plan:
    rings = list(plan.rings)
    rings[index] = dataclasses.replace(rings[index], **changes)
    return dataclasses.replace(plan, rings=tuple(rings))


def test_networks_are_found() -> None:
    assert len(SHIPPED) > 20
    assert {"encoder-int8.tflite", "decoder-int8.tflite", "int8.tflite"} <= {
        Path(name).name for name in SHIPPED
    }


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_networks_share_no_live_byte(name: str) -> None:
    check_overlap(planned(name))


@settings(max_examples=MODELS, deadline=None, suppress_health_check=list(HealthCheck))
@given(network=networks)
def test_random_networks_share_no_live_byte(network: RandomNetwork) -> None:
    check_overlap(make_plan(read_graph(network.write())))


@pytest.mark.parametrize("name", SHIPPED)
def test_the_bytes_of_a_plan_hold_the_checked_rings(name: str) -> None:
    plan = planned(name)
    for blob in plan.blobs.values():
        for index, ring in enumerate(plan.rings):
            assert struct.unpack_from("<5Ii2I", blob, 60 + 32 * index) == (
                *(ring.pixels_per_unit, ring.channels, ring.rows, ring.padding),
                *(ring.bottom_padding, ring.zero_point),
                *(ring.offset.per_unit, ring.offset.fixed),
            )


def always_live(ring: Ring) -> bool:
    """Whether the ring holds rows at every event; one without padding may be empty for a while."""
    return ring.lifetimes is None and ring.bottom_padding > 0


def live_together(a: Ring, b: Ring) -> bool:
    """Whether both hold rows at some event of a step."""
    if a.lifetimes is None or b.lifetimes is None:
        return always_live(a) or always_live(b)
    return any(x[0] <= y[1] and y[0] <= x[1] for x in a.lifetimes for y in b.lifetimes)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_ring_moved_onto_another_is_caught(name: str) -> None:
    plan = planned(name)
    count = len(plan.rings)
    for moved, ring in enumerate(plan.rings):
        following = (plan.rings[(moved + step) % count] for step in range(1, count))
        other = next(other for other in following if live_together(ring, other))
        with pytest.raises(VerificationError, match=r"tensor|overlaps the scratch memory"):
            check_overlap(with_ring(plan, moved, offset=other.offset))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_ring_that_lacks_a_row_is_caught(name: str) -> None:
    plan = planned(name)
    for index, ring in enumerate(plan.rings):
        if ring.rows > 1:
            with pytest.raises(VerificationError, match=r"row .* of tensor"):
                check_overlap(with_ring(plan, index, rows=ring.rows - 1))


def test_rings_that_overlap_at_large_widths_only_are_caught() -> None:
    plan = planned("tinypssr-x2/int8.tflite")
    index = next(
        i for i, ring in enumerate(plan.rings) if ring.lifetimes is None and ring.offset.per_unit
    )
    offset = plan.rings[index].offset
    narrower = Size(offset.per_unit - 1, offset.fixed + 4)
    assert narrower.at(4) == offset.at(4)
    with pytest.raises(VerificationError, match=r"is still needed|shares bytes"):
        check_overlap(with_ring(plan, index, offset=narrower))


def test_a_ring_in_the_head_or_the_scratch_memory_is_caught() -> None:
    plan = planned("tinypssr-x2/int8.tflite")
    with pytest.raises(VerificationError, match="overlaps the engine's state"):
        check_overlap(with_ring(plan, 0, offset=Size(0, -4)))
    for end in (plan.arena, plan.arena + Size(-plan.rings[0].size.per_unit, 0)):
        with pytest.raises(VerificationError, match="overlaps the scratch memory"):
            check_overlap(with_ring(plan, 0, offset=end))


def test_an_event_that_comes_too_early_is_caught() -> None:
    plan = planned("tinypssr-x2/int8.tflite")
    program = (plan.program[1], plan.program[0], *plan.program[2:])
    with pytest.raises(VerificationError, match=r"reads row .*, which its slot does not hold"):
        check_overlap(dataclasses.replace(plan, program=program))


def test_overwriting_an_input_that_is_read_again_is_caught() -> None:
    """An operator in place must not overwrite a tensor that a later addition reads."""
    writer = EngineWriter(12, 12, seed=3)
    first = writer.conv(writer.input, 4, 1)
    second = writer.unary(first, "RELU")
    plan = make_plan(read_graph(writer.finish(writer.add(second, first))))
    check_overlap(plan)
    by_tensor = {tensor: i for i, ring in enumerate(plan.rings) for tensor in ring.tensors}
    assert by_tensor[first.index] != by_tensor[second.index]
    rings = list(plan.rings)
    a, b = rings[by_tensor[first.index]], rings[by_tensor[second.index]]
    rings[by_tensor[first.index]] = dataclasses.replace(
        a, tensors=a.tensors + b.tensors, names=a.names + b.names
    )
    rings[by_tensor[second.index]] = dataclasses.replace(b, tensors=(), names=())
    with pytest.raises(VerificationError, match=r"over row 0 of tensor .*, which is still needed"):
        check_overlap(dataclasses.replace(plan, rings=tuple(rings)))
