"""The package within torch and jax: `make test-python-peers`. What is not installed is skipped."""

import importlib.util
import os
import pathlib
import re
import unittest

import numpy as np

import recc

from .test_recc import EVERYTHING, ROOT, data


def is_there(name):
    return importlib.util.find_spec(name) is not None


# A step of complex numbers: a recurrence that is linear, one that is not, and parameters with and without an axis.
COMPLEX = """
model C(N) {
  input z: complex
  input x: [N]
  param a: complex
  param B: complex[N]
  state s: complex
  state h: complex[N]
  s = a * s[t-1] + z
  h = B * h[t-1] * conj(s) / 4 + s * x
  output s
  output h
}
"""


def complex_data():
    generator = np.random.default_rng(7)

    def numbers(*shape):
        return (generator.standard_normal(shape) + 1j * generator.standard_normal(shape)).astype(np.complex64) / 2

    given = {"z": numbers(2, 5), "x": generator.standard_normal((2, 5, 3)).astype(np.float32)}
    return given, {"a": numbers(), "B": numbers(3)}


def example(heading):
    """The program in a section of docs/python.md."""
    section = (ROOT / "docs" / "python.md").read_text().split(f"## {heading}\n")[1]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL).group(1)


@unittest.skipUnless(is_there("torch"), "torch is not installed")
class Torch(unittest.TestCase):
    def setUp(self):
        import torch

        import recc.torch

        self.torch = torch
        self.model = recc.compile(EVERYTHING, D=3, H=4, seed=1)
        self.call = recc.torch.function(self.model)
        self.given = {name: torch.from_numpy(array) for name, array in data().items()}
        self.params = {name: torch.tensor(np.array(array, np.float32), requires_grad=True) for name, array in self.model.params.items()}

    def reference(self, x, k, on, params):
        torch, h, every = self.torch, self.torch.zeros(2, 4), []
        for t in range(x.shape[1]):
            new = torch.tanh(x[:, t] @ params["W"].T + h @ params["U"].T + params["table"][k[:, t]])
            h = torch.where(on[:, t, None], new, h)
            every.append(h)
        h = torch.stack(every, 1)
        return h, (h * h).sum(-1).mean(1).mean()

    def gradients(self, number, tensors):
        return self.torch.autograd.grad(number, tensors, retain_graph=True)

    def test_gradients_are_those_of_torch(self):
        torch = self.torch
        x = self.given["x"].requires_grad_()
        results = self.call({**self.given, "x": x}, params=self.params)
        h, size = self.reference(x, self.given["k"], self.given["on"], self.params)
        self.assertLess((results.h - h).abs().max().item(), 1e-5)
        tensors = [x, *self.params.values()]
        for mine, theirs in [
            (results.h.sin().sum(), h.sin().sum()), (results["size"], size), (results.h.sum() + 3 * results["size"], h.sum() + 3 * size),
        ]:
            for a, b in zip(self.gradients(mine, tensors), self.gradients(theirs, tensors)):
                self.assertEqual(a.dtype, b.dtype)
                self.assertLess((a - b).abs().max().item(), 1e-4)

    def test_what_is_not_asked_for_has_no_gradient(self):
        results = self.call(self.given)
        self.assertFalse(results.h.requires_grad)
        w = self.params["W"]
        results = self.call(self.given, params={"W": w})
        results.h.sum().backward()
        self.assertIsNotNone(w.grad)
        one = {name: tensor[0] for name, tensor in self.given.items()}
        one["x"] = one["x"].clone().requires_grad_()
        self.call(one)["size"].backward()
        self.assertEqual(one["x"].grad.shape, (5, 3))

    def test_mistakes(self):
        with self.assertRaises(TypeError):
            self.call({**self.given, "x": data()["x"]})
        with self.assertRaises(recc.Error):
            self.call({**self.given, "xx": self.given["x"]})
        with self.assertRaises(recc.Error):
            self.call({**self.given, "x": self.given["x"].to(self.torch.device("meta"))})
        with self.assertRaises(TypeError):
            self.call(self.given, params=self.given)
        for body in (lambda: self.call(self.given["x"]), lambda: self.model(self.given["x"])):
            with self.assertRaisesRegex(TypeError, "write x="):
                body()
        with self.assertRaisesRegex(TypeError, "dict"):
            self.call(self.given, params=self.given["x"])

    def test_gradients_of_complex_tensors(self):
        torch = self.torch
        for precision in ("f32", "f64"):
            model = recc.compile(COMPLEX, N=3, precision=precision)
            call = recc.torch.function(model)
            given, params = ({name: torch.tensor(array, requires_grad=True) for name, array in part.items()} for part in complex_data())
            results = call(given, params=params)
            s, h = torch.zeros(2, dtype=torch.complex64), torch.zeros(2, 3, dtype=torch.complex64)
            every = []
            for t in range(5):
                s = params["a"] * s + given["z"][:, t]
                h = params["B"] * h * s[:, None].conj() / 4 + s[:, None] * given["x"][:, t]
                every.append((s, h))
            s, h = (torch.view_as_real(torch.stack(part, 1)) for part in zip(*every))
            self.assertLess((results.h - h).abs().max().item(), 1e-5)
            tensors = [*given.values(), *params.values()]
            for mine, theirs in [
                (results.s.square().sum(), s.square().sum()),
                ((results.h[..., 0].sin() + 2 * results.h[..., 1]).sum() + results.s[:, -1, 1].sum(), (h[..., 0].sin() + 2 * h[..., 1]).sum() + s[:, -1, 1].sum()),
            ]:
                wanted = torch.autograd.grad(theirs, tensors, retain_graph=True, allow_unused=True)
                for a, b in zip(torch.autograd.grad(mine, tensors, retain_graph=True, allow_unused=True), wanted):
                    b = torch.zeros_like(a) if b is None else b
                    self.assertEqual((a.dtype, a.shape), (b.dtype, b.shape))
                    self.assertLess((a - b).abs().max().item(), 1e-4)
            # Parts in a last axis have gradients in such an axis.
            pairs = torch.view_as_real(given["z"].detach()).clone().requires_grad_()
            call({**given, "z": pairs}, params=params).s.square().sum().backward()
            whole = torch.autograd.grad(results.s.square().sum(), given["z"])[0]
            self.assertLess((torch.view_as_complex(pairs.grad) - whole).abs().max().item(), 1e-5)
            # What torch conjugates when it is read.
            lazily = given["z"].detach().conj()
            np.testing.assert_allclose(call({**given, "z": lazily}, params=params).s.detach(), call({**given, "z": lazily.resolve_conj()}, params=params).s.detach())

    def test_bfloat16(self):
        x = self.given["x"].to(self.torch.bfloat16)
        wanted = self.model({**self.given, "x": x.float()}).h
        for other in (x, x.transpose(0, 1).contiguous().transpose(0, 1), self.torch.cat([x, x], 1)[:, 5:]):
            np.testing.assert_array_equal(self.model({**self.given, "x": other}).h, wanted)
        x.requires_grad_()
        self.call({**self.given, "x": x})["size"].backward()
        self.assertEqual(x.grad.dtype, self.torch.bfloat16)
        self.assertEqual(self.model({**self.given, "x": x.detach()[:0], "k": self.given["k"][:0], "on": self.given["on"][:0]}).h.shape, (0, 5, 4))

    def test_tensors_are_read_where_they_lie(self):
        results = self.model({**self.given, "x": self.given["x"].transpose(0, 1).contiguous().transpose(0, 1)})
        np.testing.assert_array_equal(results.h, self.model(data()).h)

    def test_the_document_is_so(self):
        os.chdir(ROOT)
        exec(compile(example("PyTorch"), "docs/python.md", "exec"), {"recc": recc})


@unittest.skipUnless(is_there("jax"), "jax is not installed")
class Jax(unittest.TestCase):
    def setUp(self):
        import jax

        import recc.jax

        self.jax = jax
        self.model = recc.compile(EVERYTHING, D=3, H=4, seed=1)
        self.call = recc.jax.call(self.model)
        self.given = {name: jax.numpy.asarray(array) for name, array in data().items()}
        self.params = {name: jax.numpy.asarray(array, np.float32) for name, array in self.model.params.items()}

    def reference(self, params, x):
        jnp = self.jax.numpy

        def step(h, given):
            x, k, on = given
            h = jnp.where(on[:, None], jnp.tanh(x @ params["W"].T + h @ params["U"].T + params["table"][k]), h)
            return h, h

        inputs = tuple(array.swapaxes(0, 1) for array in (x, self.given["k"], self.given["on"]))
        h = self.jax.lax.scan(step, jnp.zeros((2, 4)), inputs)[1].swapaxes(0, 1)
        return {"h": h, "size": (h * h).sum(-1).mean(1).mean()}

    def test_gradients_are_those_of_jax(self):
        jnp = self.jax.numpy
        mine = lambda params, x: self.call({**self.given, "x": x}, params=params)
        for number in (
            lambda results: jnp.sin(results["h"]).sum(), lambda results: results["size"], lambda results: results["h"].sum() + 3 * results["size"],
        ):
            a = self.jax.jit(self.jax.value_and_grad(lambda *given: number(mine(*given)), (0, 1)))(self.params, self.given["x"])
            b = self.jax.value_and_grad(lambda *given: number(self.reference(*given)), (0, 1))(self.params, self.given["x"])
            for left, right in zip(self.jax.tree_util.tree_leaves(a), self.jax.tree_util.tree_leaves(b)):
                np.testing.assert_allclose(left, right, atol=1e-4)

    def test_gradients_of_complex_arrays(self):
        jax, jnp = self.jax, self.jax.numpy
        given, params = ({name: jnp.asarray(array) for name, array in part.items()} for part in complex_data())

        def reference(given, params):
            def step(carry, now):
                s, h = carry
                z, x = now
                s = params["a"] * s + z
                h = params["B"] * h * s[:, None].conj() / 4 + s[:, None] * x
                return (s, h), (s, h)

            start = (jnp.zeros(2, jnp.complex64), jnp.zeros((2, 3), jnp.complex64))
            every = jax.lax.scan(step, start, (given["z"].swapaxes(0, 1), given["x"].swapaxes(0, 1)))[1]
            s, h = (part.swapaxes(0, 1) for part in every)
            return {name: jnp.stack([part.real, part.imag], -1) for name, part in (("s", s), ("h", h))}

        for precision in ("f32", "f64"):
            call = recc.jax.call(recc.compile(COMPLEX, N=3, precision=precision))
            mine = lambda given, params: call(given, params=params)
            for number in (
                lambda results: jnp.square(results["s"]).sum(),
                lambda results: (jnp.sin(results["h"][..., 0]) + 2 * results["h"][..., 1]).sum() + results["s"][:, -1, 1].sum(),
            ):
                a = jax.jit(jax.grad(lambda *both: number(mine(*both)), (0, 1)))(given, params)
                b = jax.grad(lambda *both: number(reference(*both)), (0, 1))(given, params)
                for left, right in zip(jax.tree_util.tree_leaves(a), jax.tree_util.tree_leaves(b)):
                    self.assertEqual((left.dtype, left.shape), (right.dtype, right.shape))
                    np.testing.assert_allclose(left, right, atol=1e-4)
        with self.assertRaisesRegex(TypeError, "write z="):
            call(given["z"])

    def test_results_go_through_jit(self):
        results = self.jax.jit(lambda given: self.call(given))(self.given)
        np.testing.assert_allclose(results["h"], self.model(data()).h, atol=1e-6)
        with self.assertRaises(Exception) as caught:
            self.call({**self.given, "xx": self.given["x"]})
        self.assertIn("did you mean 'x'?", str(caught.exception))

    def test_the_document_is_so(self):
        os.chdir(ROOT)
        exec(compile(example("JAX"), "docs/python.md", "exec"), {"recc": recc})
