"""Streams."""

import threading

import numpy

from . import _arrays, _library
from ._errors import Error
from ._library import Handle
from ._model import Results, State, _checked, _inputs, _ports


class Stream:
    """A model step by step; `Model.stream` makes one.

    `inputs` and `outputs` are arrays over the stream's own memory, `[batch, capacity, …]`: what is written there is read by `advance`,
    which allocates nothing. `step` and `steps` do the same with arrays that are copied. A stream is used by one thread at a time; others
    wait.
    """

    def __init__(self, model, batch, capacity, state, once):
        count = 1 if batch is None else batch
        tensors, held = _arrays.tensors(once)
        start = None if state is None else _checked(state, State, "state")._handle.pointer
        self._handle = Handle.made("stream", "stream_open", model._handle.pointer, tensors, len(tensors), count, capacity, start)
        self.batch, self.capacity = batch, capacity
        self._turn = threading.RLock()
        self._ports = _ports(_library.INPUTS, self._handle.pointer, "stream_port_count", "stream_port")
        self._results = _ports(_library.OUTPUTS, self._handle.pointer, "stream_port_count", "stream_port")
        self.inputs = Results((name, self._memory("stream_input", port, count)) for name, port in self._ports.items())
        self.outputs = Results((name, self._memory("stream_output", port, count)) for name, port in self._results.items())

    def _memory(self, function, port, count):
        """All of the memory of a port: sequences lie at equal distances."""
        places = []
        for sequence in range(min(count, 2)):
            place, size = _library.c_void_p(), _library.c_int64()
            _library.call(
                function, self._handle.pointer, _library.encoded(port.name), sequence, _library.byref(place), _library.byref(size)
            )
            places.append(place.value)
        steps = self.capacity if port.is_stream else 1
        step = numpy.empty(port.shape, port.dtype)
        apart = places[-1] - places[0] if count > 1 else steps * size.value
        return _arrays.over(
            places[0], (count, steps, *port.shape), _arrays._NUMBERS[port.dtype.name], self._handle, strides=(apart, size.value, *step.strides),
            writable=function == "stream_input",
        )

    def _write(self, given, leading):
        """Writes the arrays of steps, `leading` axes before those of a step, and gives their shape without them."""
        for name in given:
            if name not in self._ports:
                raise Error(f"the stream has no input '{name}'; its inputs are {', '.join(map(repr, self._ports)) or 'none'}")
        arrays = {}
        for name, port in self._ports.items():
            if name not in given:
                raise Error(f"the input '{name}' is missing")
            numbers = _arrays.array(name, given[name])
            shape = (*leading, *port.shape)
            if len(leading) and leading[-1] is None:
                leading = (*leading[:-1], numbers.shape[len(leading) - 1] if numbers.ndim >= len(leading) else 0)
                shape = (*leading, *port.shape)
            if numbers.shape != shape:
                raise Error(f"'{name}' has the shape {list(numbers.shape)}, and {list(shape)} is expected")
            kind, wanted = numbers.dtype.kind, port.dtype.kind
            if wanted in "ib" and kind == "f":
                raise Error(f"'{name}' holds {'whole numbers' if wanted == 'i' else 'bools'}, and is given {numbers.dtype}")
            if wanted == "b" and kind != "b" and not numpy.isin(numbers, (0, 1)).all():
                raise Error(f"'{name}' holds bools, and is given other numbers than 0 and 1")
            arrays[name] = numbers
        return arrays, leading

    def advance(self, steps=1):
        """Takes steps, up to `capacity`, of what was written into `inputs`; `outputs` then hold as many."""
        _library.call("stream_step", self._handle.pointer, steps)

    def step(self, inputs=None, /, **named):
        """Takes a step: arrays as in the source, with a batch axis in front where the stream was opened with a batch."""
        leading = () if self.batch is None else (self.batch,)
        with self._turn:
            arrays, _ = self._write({**_inputs(inputs, self), **named}, leading)
            for name, numbers in arrays.items():
                self.inputs[name][:, 0] = numbers
            self.advance()
            return Results((name, (memory[0, 0, ...] if self.batch is None else memory[:, 0]).copy()) for name, memory in self.outputs.items())

    def steps(self, inputs=None, /, **named):
        """Takes any number of steps, as many at a time as there is room for: arrays `[t, …]`, or `[batch, t, …]`."""
        return self._taken({**_inputs(inputs, self), **named}, self.advance, self.capacity)

    def draft(self, inputs=None, /, **named):
        """Takes up to `capacity` steps in one run, on trial, of a stream that was opened with a state; `accept` then says how many of them are
        to count, as in speculative decoding."""
        return self._taken({**_inputs(inputs, self), **named}, lambda count: _library.call("stream_draft", self._handle.pointer, count), None)

    def accept(self, count):
        """Makes the first `count` steps of the last `draft` count, and no others: the stream goes on behind them."""
        _library.call("stream_accept", self._handle.pointer, count)

    def _taken(self, given, take, most):
        leading = (None,) if self.batch is None else (self.batch, None)
        with self._turn:
            arrays, (*_, count) = self._write(given, leading)
            if not self._ports:
                raise Error("the model has no input that says how many steps there are\n  help: take them one by one, with step")
            if most is None and not 0 < count <= self.capacity:
                raise Error(f"{count} steps cannot be tried at once\n  help: from 1 to {self.capacity}, for which the stream has room")
            if self.batch is None:
                arrays = {name: numbers[None] for name, numbers in arrays.items()}
            pieces = {name: [memory[:, :0]] for name, memory in self.outputs.items()}
            for first in range(0, count, most or count):
                taken = min(most or count, count - first)
                for name, numbers in arrays.items():
                    self.inputs[name][:, :taken] = numbers[:, first : first + taken]
                take(taken)
                for name, memory in self.outputs.items():
                    pieces[name].append(memory[:, :taken].copy())
            results = Results()
            for name, port in self._results.items():
                whole = numpy.concatenate(pieces[name], axis=1) if port.is_stream else self.outputs[name][:, 0].copy()
                results[name] = whole[0] if self.batch is None else whole
            return results

    @property
    def step_count(self):
        """Steps taken since the beginning."""
        return _library.value("stream_step_count", self._handle.pointer)

    def reset(self):
        """Goes back to where the stream was opened."""
        _library.call("stream_reset", self._handle.pointer)

    def snapshot(self):
        """What `restore` goes back to."""
        return Snapshot(Handle.made("snapshot", "stream_snapshot", self._handle.pointer))

    def restore(self, snapshot):
        """Goes back to a snapshot of this stream."""
        _library.call("stream_restore", self._handle.pointer, _checked(snapshot, Snapshot, "snapshot")._handle.pointer)

    @property
    def state(self):
        """The state behind the last step, of a stream that was opened with one."""
        return State(Handle.made("state", "stream_state", self._handle.pointer))

    def resume(self, state):
        """Goes on from a state."""
        _library.call("stream_resume", self._handle.pointer, _checked(state, State, "state")._handle.pointer)


class Snapshot:
    """Where a stream was."""

    def __init__(self, handle):
        self._handle = handle
