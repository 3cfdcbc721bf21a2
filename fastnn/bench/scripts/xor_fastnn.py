"""XOR by a ``Sequential`` of fastnn: 1000 steps of gradient descent."""

import numpy as np

from fastnn import Dense, Sequential
from fastnn.optimizers import SGD

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
Y = np.array([[0], [1], [1], [0]], np.float32)

model = Sequential([Dense(4, activation="tanh"), Dense(1, activation="sigmoid")], seed=0)
model.compile(SGD(learning_rate=1.0), "binary_crossentropy")
model.fit(X, Y, epochs=1000, batch_size=4, verbose=0)
print(np.mean((model.predict(X) > 0.5) == Y))
