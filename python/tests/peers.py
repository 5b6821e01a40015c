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

    def test_results_go_through_jit(self):
        results = self.jax.jit(lambda given: self.call(given))(self.given)
        np.testing.assert_allclose(results["h"], self.model(data()).h, atol=1e-6)
        with self.assertRaises(Exception) as caught:
            self.call({**self.given, "xx": self.given["x"]})
        self.assertIn("did you mean 'x'?", str(caught.exception))

    def test_the_document_is_so(self):
        os.chdir(ROOT)
        exec(compile(example("JAX"), "docs/python.md", "exec"), {"recc": recc})
