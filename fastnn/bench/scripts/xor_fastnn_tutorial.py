"""XOR by the tutorial's functions of fastnn: 1000 steps of gradient descent."""

import numpy as np

from fastnn import forward_propagation, gradient_descent, initialize_parameters

X = np.array([[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 0.0, 1.0]])
Y = np.array([[0.0, 1.0, 1.0, 0.0]])

parameters = initialize_parameters(2, 4, 1, seed=1, scale=2.0)
parameters, costs = gradient_descent(X, Y, parameters, learning_rate=3.0, iterations=1000)
A, _ = forward_propagation(X, parameters)
print(np.mean((A > 0.5) == Y))
