"""The tutorial's functions, each by itself."""

from __future__ import annotations

import fastnn

from .common import BACKENDS, DTYPES, one_hot, parameters, rows, sizes


class Functions:
    params = (BACKENDS, DTYPES)
    param_names = ("backend", "dtype")

    def setup(self, backend, dtype):
        self.X = rows(sizes.batch, sizes.features, dtype).T.copy()
        self.Y = one_hot(sizes.batch, dtype).T.copy()
        self.Z = rows(1, sizes.elements, dtype)
        self.parameters = parameters(backend, dtype)
        self.A, self.cache = fastnn.forward_propagation(self.X, self.parameters, backend=backend)
        self.grads = fastnn.backward_propagation(self.parameters, self.cache, self.X, self.Y, backend=backend)
        fastnn.sigmoid(self.Z, backend=backend)
        fastnn.gradient_descent(self.X, self.Y, self.parameters, 0.1, 1, backend=backend)

    def time_initialize_parameters(self, backend, dtype):
        parameters(backend, dtype)

    def time_sigmoid(self, backend, dtype):
        fastnn.sigmoid(self.Z, backend=backend)

    def time_forward(self, backend, dtype):
        fastnn.forward_propagation(self.X, self.parameters, backend=backend)

    def time_cost(self, backend, dtype):
        fastnn.compute_cost(self.A, self.Y, backend=backend)

    def time_backward(self, backend, dtype):
        fastnn.backward_propagation(self.parameters, self.cache, self.X, self.Y, backend=backend)

    def time_update(self, backend, dtype):
        fastnn.update_parameters(self.parameters, self.grads, 0.1, backend=backend)

    def time_gradient_descent(self, backend, dtype):
        fastnn.gradient_descent(self.X, self.Y, self.parameters, 0.1, 5, backend=backend)
