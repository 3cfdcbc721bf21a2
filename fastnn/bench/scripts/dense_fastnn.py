"""784-128-10 by a ``Sequential`` of fastnn: 5 epochs of 32 minibatches of 128, Adam."""

import numpy as np

from fastnn import Dense, Sequential

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 4096)
X = (rng.random((10, 784))[labels] + rng.normal(0, 0.3, (4096, 784))).astype(np.float32)

model = Sequential([Dense(128, activation="relu"), Dense(10, activation="softmax")], seed=0)
model.compile("adam", "sparse_categorical_crossentropy")
model.fit(X, labels, epochs=5, batch_size=128, verbose=0)
print(np.mean(np.argmax(model.predict(X), axis=1) == labels))
