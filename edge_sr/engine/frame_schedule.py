"""Orders the rows of a whole frame of one size: every row is computed just before its first use."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from edge_sr.engine.frame_nodes import FrameNode
from edge_sr.engine.schedule import EMIT, INPUT, Event
from edge_sr.errors import UserError
from edge_sr.graph import Graph

MAX_EVENTS = 1_000_000


def output_of(event: Event) -> int | None:
    """The position of the network's output of which an event emits a row; None for other events.

    Output 0 is emitted by `EMIT`, output i by `EMIT` - i.
    """
    return EMIT - event.action if event.action <= EMIT else None


@dataclass
class _Progress:
    """How a tensor's rows are computed, and how many of them are."""

    producer: int  # a node's index, or INPUT
    first: int  # the first row, which is negative if it is padding above the frame
    height: int
    done: int


class FrameSchedule:
    """Records the events of a frame.

    Attributes:
        events: in order; rows are counted from the frame's first one, padding above is negative.
    """

    def __init__(
        self,
        graph: Graph,
        nodes: Sequence[FrameNode],
        tops: Mapping[int, int],
        whole: Collection[int] = (),
    ) -> None:
        """Schedule the frame.

        Args:
            graph: gives input, output and heights.
            nodes: as `lower_frame` gives them.
            tops: rows of padding above each tensor that is computed.
            whole: nodes that compute their whole map before a later node starts.

        Raises:
            UserError: the frame takes too many events for a plan.
        """
        self.events: list[Event] = []
        self._nodes = nodes
        producers = {graph.input.index: INPUT}
        producers |= {node.output: index for index, node in enumerate(nodes)}
        self._progress = {
            tensor: _Progress(
                producer, -tops[tensor], graph.tensors[tensor].shape[1], -tops[tensor]
            )
            for tensor, producer in producers.items()
        }
        # Nothing is computed before the first input row, not even an output row of padding alone.
        self._outputs: dict[int, list[int]] = {}  # by tensor
        for output, tensor in enumerate(graph.outputs):
            self._outputs.setdefault(tensor, []).append(output)
        self._compute(graph.input.index, 0)
        for index in sorted(whole):
            tensor = nodes[index].output
            self._compute(tensor, graph.tensors[tensor].shape[1] - 1)
        for tensor, row in self._emitted_rows(graph):
            self._compute(tensor, row)
        self._compute(graph.input.index, graph.input.shape[1] - 1)
        for tensor, progress in self._progress.items():
            if progress.done == progress.first:  # of which only padding is read
                self._compute(tensor, progress.first)

    @staticmethod
    def _emitted_rows(graph: Graph) -> list[tuple[int, int]]:
        """The rows of all outputs, in the order in which the input's rows give them."""
        heights = {tensor: graph.tensors[tensor].shape[1] for tensor in graph.outputs}
        rows = [
            ((row + 1) / height, tensor, row)
            for tensor, height in heights.items()
            for row in range(height)
        ]
        return [(tensor, row) for _, tensor, row in sorted(rows)]

    def _compute(self, tensor: int, row: int) -> None:
        """Compute the tensor's rows up to that one, after the rows that they read."""
        goals = [(tensor, row)]  # a stack, because networks are deeper than Python recurses
        while goals:
            tensor, row = goals[-1]
            if self._progress[tensor].done > row:
                goals.pop()
                continue
            missing = self._missing(self._progress[tensor])
            if missing is None:
                self._add_row(tensor)
            else:
                goals.append(missing)

    def _missing(self, progress: _Progress) -> tuple[int, int] | None:
        """The first tensor, with a row, that must be computed before a tensor's next row."""
        if progress.producer == INPUT or not 0 <= progress.done < progress.height:
            return None
        node = self._nodes[progress.producer]
        for source in node.inputs:
            rows = node.rows_of(source, progress.done)
            if rows and self._progress[source].done <= rows[-1]:
                return source, rows[-1]
        return None

    def _add_row(self, tensor: int) -> None:
        """Record the tensor's next row; a row of an output is emitted at once."""
        progress = self._progress[tensor]
        self.events.append(Event(progress.producer, progress.done))
        if 0 <= progress.done < progress.height:
            outputs = self._outputs.get(tensor, ())
            self.events += [Event(EMIT - output, progress.done) for output in outputs]
        progress.done += 1
        if len(self.events) > MAX_EVENTS:
            raise UserError("the model's frame has too many rows for a plan of the engine")

    @property
    def latency(self) -> int:
        """The most input rows by which an output row follows its own input row."""
        heights: dict[int, int] = {}
        for event in self.events:
            heights[event.action] = max(heights.get(event.action, 0), event.row + 1)
        in_height = next(item.height for item in self._progress.values() if item.producer == INPUT)
        last_input = most = 0
        for event in self.events:
            if event.action == INPUT and 0 <= event.row < in_height:
                last_input = event.row
            elif output_of(event) is not None:
                own = event.row * in_height // heights[event.action]
                most = max(most, last_input - own)
        return most
