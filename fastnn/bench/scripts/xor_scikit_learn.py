"""XOR by scikit-learn's ``MLPClassifier``, with the solver that it recommends for few samples."""

import numpy as np
from sklearn.neural_network import MLPClassifier

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
y = np.array([0, 1, 1, 0])

model = MLPClassifier((4,), "tanh", solver="lbfgs", max_iter=1000, random_state=0)
print(model.fit(X, y).score(X, y))
